# The stand-in for GitHub that "script/demo --pr" makes pull requests on. Source
# it after common.sh and process.sh; wants VAR, LOG, TASKMILL_CONFIG.
# shellcheck shell=bash

HUB_DIR=$VAR/github

# Ends it; fine when it does not run.
stop_github() {
	local pid
	if pid=$(pid_of "$VAR/run/github.pid"); then
		end_process "$pid" TERM 5 || return 1
	fi
	rm -f "$VAR/run/github.pid"
}

# Asks the stand-in for something; JSON on stdin.
hub() { # PATH
	curl -fsS --max-time 20 --cacert "$TASKMILL_CA_FILE" -o "$HUB_DIR/said" \
	    -H 'Content-Type: application/json' --data-binary @- \
	    "$HUB_URL/_test/$1"
}

# Sets HUB_URL and HUB_TOKEN. It uses nginx's certificate: both are localhost.
start_github() {
	stop_github
	mkdir -p "$HUB_DIR"
	rm -f "$HUB_DIR/ready"
	setsid env -i PATH="$PATH" HOME=/nonexistent LANG=C.UTF-8 \
	    "$PYTHON" tests/github-server/run --port 0 --dir "$HUB_DIR/srv" \
	    --tls "$VAR/nginx/tls/server.crt" "$VAR/nginx/tls/server.key" \
	    --ready-file "$HUB_DIR/ready" </dev/null >>"$LOG/github.log" 2>&1 &
	write_pid "$VAR/run/github.pid" $! || :
	wait_until 60 test -s "$HUB_DIR/ready" || return 1
	HUB_URL=$(cat "$HUB_DIR/ready")
	HUB_TOKEN=ghp_demo$(openssl rand -hex 16)
	TOKEN=$HUB_TOKEN jq -n '{token: $ENV.TOKEN, login: "demo",
	    scopes: ["repo"]}' | hub tokens
}

# A repository of demo's there, with what another one has on main; its path.
make_hub_repository() { # NAME FROM
	NAME=$1 jq -n '{owner: "demo", name: $ENV.NAME}' | hub repos
	plain_git -C "$2" push -q --force "$HUB_DIR/srv/demo/$1.git" main
}

set_setting() { # KEY VALUE
	KEY=$1 VALUE=$2 awk '
	index($0, ENVIRON["KEY"] "=") == 1 { next }
	{ print }
	END { print ENVIRON["KEY"] "=" ENVIRON["VALUE"] }' \
	    "$TASKMILL_CONFIG" >"$VAR/run/conf"
	cat "$VAR/run/conf" >"$TASKMILL_CONFIG"
	rm -f "$VAR/run/conf"
}

# Takes the demo's settings out again: without the stand-in they lead nowhere, and
# no other GitHub can be asked. 0 if there were any.
forget_github() { # CONFIG
	local new
	[ -f "$HUB_DIR/host" ] && [ -f "$1" ] || return 1
	new=$(umask 077 && mktemp "$VAR/run/conf.XXXXXX")
	if ! HOST=$(cat "$HUB_DIR/host") awk -F= '
	$1 == "GITHUB_API_URL" || $1 == "GITHUB_CA_FILE" { next }
	$1 == "REPO_ALLOWED_HOSTS" {
		n = split($2, hosts, ",")
		$0 = ""
		for (i = 1; i <= n; i++)
			if (hosts[i] != ENVIRON["HOST"])
				$0 = $0 ($0 == "" ? "" : ",") hosts[i]
		$0 = "REPO_ALLOWED_HOSTS=" $0
	}
	{ print }' "$1" >"$new" || ! mv -f "$new" "$1"; then
		rm -f "$new" # a full disk must not cost the settings
		return 1
	fi
	rm -f "$HUB_DIR/host"
}

# What an admin sets for a GitHub of his own.
use_github() { # HOST
	local hosts
	forget_github "$TASKMILL_CONFIG" || :
	hosts=$(sed -n 's/^REPO_ALLOWED_HOSTS=//p' "$TASKMILL_CONFIG")
	printf '%s\n' "$1" >"$HUB_DIR/host"
	set_setting REPO_ALLOWED_HOSTS "$hosts,$1"
	set_setting GITHUB_API_URL "$HUB_URL/api/v3"
	set_setting GITHUB_CA_FILE "$TASKMILL_CA_FILE"
	script/stack start >/dev/null
}

# The pull request, and what became of it on the other side.
show_pull_request() { # ID REPOSITORY
	local answer branch
	answer=$(TOKEN=$HUB_TOKEN jq -n '{github_token: $ENV.TOKEN}' |
	    api POST "/api/create-pr/$1" --max-time 120 --data-binary @-) ||
	    return 1
	branch=$(jq -er .branch <<<"$answer")
	jq . <<<"$answer"
	say
	say "    what the stand-in has now, by git:"
	plain_git -c safe.directory='*' --git-dir "$HUB_DIR/srv/demo/$2.git" \
	    log --graph --format='%h %an: %s%d' main "$branch" |
	    sed 's/^/    /'
	say
	say "    Asked again it says the same:"
	[ "$(TOKEN=$HUB_TOKEN jq -n '{github_token: $ENV.TOKEN}' |
	    api POST "/api/create-pr/$1" --max-time 120 --data-binary @-)" = \
	    "$answer" ] || return 1
	say "    $(jq -r .pr_url <<<"$answer")"
}
