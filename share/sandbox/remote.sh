# shellcheck shell=sh disable=SC2034 # control is for whoever reads this
# For the scripts that talk to the repository's host: read by them, not run.
# Nothing of the user's, nothing of the system's, nobody to ask; the token only
# through askpass.
#
# From the environment: TASKMILL_CONTROL (our folder), TASKMILL_URL,
# TASKMILL_ORIGIN, TASKMILL_TOKEN, TASKMILL_CA (or empty).
umask 022
control=$TASKMILL_CONTROL

export HOME="$control/empty" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_TERMINAL_PROMPT=0 GIT_LFS_SKIP_SMUDGE=1 GIT_OPTIONAL_LOCKS=0
export GIT_ASKPASS="$control/askpass" SSH_ASKPASS=/bin/false LC_ALL=C
export GIT_ALLOW_PROTOCOL="${TASKMILL_URL%%:*}" GIT_TEMPLATE_DIR=
case $GIT_ALLOW_PROTOCOL in
http | https) ;;
*)
	echo "only http and https can be reached" >&2
	exit 2
	;;
esac
[ -z "$TASKMILL_CA" ] || export GIT_SSL_CAINFO="$TASKMILL_CA"

safe_git() {
	git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c gc.auto=0 \
		-c maintenance.auto=false -c protocol.ext.allow=never \
		-c submodule.recurse=false -c http.followRedirects=false \
		-c credential.helper= -c core.attributesFile=/dev/null \
		-c core.autocrlf=false -c transfer.bundleURI=false \
		-c http.lowSpeedLimit=1000 -c http.lowSpeedTime=20 \
		-c advice.detachedHead=false "$@"
}

# How many names are tried for a pull request's branch.
names_max=20

# The branches that may be a pull request's (TASKMILL_HEAD, -2, -3, ...) and
# more, "COMMIT<tab>refs/heads/NAME".
list_heads() {
	safe_git ls-remote -- "$TASKMILL_URL" "refs/heads/$TASKMILL_HEAD" \
		"refs/heads/$TASKMILL_HEAD-*"
}

# Of such a list those that are one of its names: "NAME COMMIT", in the order
# in which they are tried.
name_heads() {
	awk -v head="$TASKMILL_HEAD" -v most="$names_max" '
	{ at[substr($2, 12)] = $1 }
	END {
		for (i = 1; i <= most; i++) {
			name = i == 1 ? head : head "-" i
			if (name in at)
				print name, at[name]
		}
	}'
}
