#!/bin/sh
# Pushes the commit of a pull request as a branch of its own. No branch that is
# there is ever changed: one with this very commit is ours, from a push whose
# answer was lost; for any other the next name is taken.
#
# From the environment: what remote.sh wants, TASKMILL_HEAD (the name). Reads
# out/commit. Writes out/branch, or out/why: "taken" or "refused".
set -u
# shellcheck source=share/sandbox/remote.sh
. "$TASKMILL_CONTROL/remote.sh"

out=$control/out
read -r commit <"$out/commit" || exit 3
rm -f -- "$out/why" "$out/branch" || exit 3

refuse() {
	cat "$out/errors" >&2
	echo "$1" >"$out/why"
	exit 1
}

# The name to use: ours, or the first that nobody has.
choose() {
	list_heads >"$out/heads" 2>"$out/errors" || refuse refused
	name_heads <"$out/heads" >"$out/names"
	name=$(sed -n "s/ $commit\$//p" "$out/names" | head -n 1)
	how=there
	[ -z "$name" ] || return
	how=free
	i=1
	name=$TASKMILL_HEAD
	while cut -d ' ' -f 1 "$out/names" | grep -qxF -e "$name"; do
		i=$((i + 1))
		name=$TASKMILL_HEAD-$i
	done
	[ "$i" -gt "$names_max" ] || return
	echo "all names up to $TASKMILL_HEAD-$names_max are taken" >&2
	echo taken >"$out/why"
	exit 1
}

# Somebody may take a name between the look and the push: look again.
for _ in 1 2 3; do
	choose
	if [ "$how" = there ]; then
		echo "$name" >"$out/branch"
		exit 0
	fi
	# Expecting nothing there makes a push stricter than a plain one, which
	# would move a branch forward that somebody has made meanwhile.
	if safe_git --git-dir="$control/git" push --quiet --no-verify \
		"--force-with-lease=refs/heads/$name:" -- "$TASKMILL_URL" \
		"$commit:refs/heads/$name" 2>"$out/errors"; then
		echo "$name" >"$out/branch"
		exit 0
	fi
	grep -qE 'stale info|already exists' "$out/errors" || refuse refused
done
refuse refused
