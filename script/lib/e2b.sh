# What "script/demo --e2b" runs its task in: E2B's cloud, if the environment has
# the keys for it, else the test server and a scripted model. Source it after
# common.sh and process.sh; wants VAR, LOG, TASKMILL_CONFIG.
# shellcheck shell=bash disable=SC2034,SC2154

E2B_DIR=$VAR/e2b
E2B_SETTINGS='E2B_API_KEY E2B_API_URL E2B_SANDBOX_URL E2B_CA_FILE E2B_DOMAIN E2B_TEMPLATE_ID ANTHROPIC_API_KEY'
AGENTS_BUILD=${TASKMILL_AGENTS_BUILD:-$ROOT/build-agents}

end_daemon() { # NAME
	local pid
	if pid=$(pid_of "$VAR/run/$1.pid"); then
		end_process "$pid" TERM 15 || return 1
	fi
	rm -f "$VAR/run/$1.pid"
}

# Ends both stand-ins; fine when they do not run. Runs must have ended before.
stop_e2b() {
	end_daemon e2b-server && end_daemon model-server || return 1
	rm -rf "$E2B_DIR/sandboxes"
}

# Takes the demo's settings out again: without the servers they lead nowhere,
# and a real key is not to stay. 0 if there were any.
forget_e2b() {
	local new
	[ -e "$E2B_DIR/in-force" ] && [ -f "$1" ] || return 1
	new=$(umask 077 && mktemp "$VAR/run/conf.XXXXXX")
	if ! { sed -E "/^(${E2B_SETTINGS// /|})=/d" "$1" >"$new" &&
	    mv -f "$new" "$1"; }; then
		rm -f "$new" # a full disk must not cost the settings
		return 1
	fi
	rm -f "$E2B_DIR/in-force"
}

# The keys come through the environment: arguments can be read by all.
set_key() { # NAME
	local new
	new=$(umask 077 && mktemp "$VAR/run/conf.XXXXXX")
	if ! { sed "/^$1=/d" "$TASKMILL_CONFIG" >"$new" &&
	    printf '%s=%s\n' "$1" "${!1}" >>"$new" &&
	    mv -f "$new" "$TASKMILL_CONFIG"; }; then
		rm -f "$new"
		return 1
	fi
}

start_stand_in() { # NAME COMMAND...
	local name=$1
	shift
	end_daemon "$name" || return 1
	rm -f "$E2B_DIR/$name.ready"
	setsid env -i PATH="$PATH" HOME=/nonexistent LANG=C.UTF-8 "$@" \
	    --ready-file "$E2B_DIR/$name.ready" \
	    </dev/null >>"$LOG/$name.log" 2>&1 &
	write_pid "$VAR/run/$name.pid" $! || :
	wait_until 60 test -s "$E2B_DIR/$name.ready"
}

port_of() { # NAME
	jq -er .port "$E2B_DIR/$1.ready"
}

# Claude Code itself, as the tests have it. Prints the path of its program.
install_claude() {
	local machine stamp=$AGENTS_BUILD/.installed-from digest
	case $(uname -m) in
	x86_64) machine=x64 ;;
	aarch64) machine=arm64 ;;
	*) return 1 ;;
	esac
	[ -z "${TASKMILL_DEMO_STAND_IN:-}" ] && command -v npm >/dev/null || return 1
	digest=$(sha256sum <tests/model-server/node/package-lock.json)
	digest=${digest%% *}
	if [ "$(cat "$stamp" 2>/dev/null)" != "$digest" ]; then
		mkdir -p "$AGENTS_BUILD"
		cp tests/model-server/node/package*.json "$AGENTS_BUILD"
		(cd "$AGENTS_BUILD" && timeout 600 npm ci --ignore-scripts \
		    --no-audit --no-fund) >"$LOG/npm.log" 2>&1 || return 1
		printf '%s' "$digest" >"$stamp"
	fi
	machine=$AGENTS_BUILD/node_modules/@anthropic-ai/claude-code-linux-$machine/claude
	[ -x "$machine" ] && printf '%s\n' "$machine"
}

# A folder that a sandbox has in its PATH, with "claude" in it.
make_template() { # PROGRAM
	rm -rf "${E2B_DIR:?}/bin"
	mkdir -p "$E2B_DIR/bin"
	ln -s "$1" "$E2B_DIR/bin/claude"
}

# What the model is to say: real tool calls that the real program carries out.
write_script() {
	jq -n '{prompt: ".", steps: [
	    {text: "I will look at what is there first.",
	     tool: {command: "ls -l && head -n 20 -- *"}},
	    {text: "Now I make the change.", tool: {command:
	        "printf \"# Notes\\n\\nWritten by Claude Code, which was told to by a scripted model.\\n\" >NOTES.md"}},
	    {text: "I have added NOTES.md. Nothing else was changed."}]}' \
	    >"$E2B_DIR/script.json"
}

start_model() {
	write_script
	start_stand_in model-server "$PYTHON" tests/model-server/run --port 0 \
	    --key "$ANTHROPIC_API_KEY" --script "$E2B_DIR/script.json"
}

start_sandboxes() {
	local url
	url=http://127.0.0.1:$(port_of model-server) || return 1
	start_stand_in e2b-server "$PYTHON" tests/e2b-server/run --port 0 \
	    --dir "$E2B_DIR" --isolation bwrap --api-key "$E2B_API_KEY" \
	    --tls "$VAR/nginx/tls/server.crt" "$VAR/nginx/tls/server.key" \
	    --share "$E2B_DIR/bin" --share "$E2B_PROGRAMS" \
	    --env "PATH=$E2B_DIR/bin:/usr/local/bin:/usr/bin:/bin" \
	    --env "ANTHROPIC_BASE_URL=$url" \
	    --env HTTPS_PROXY=http://127.0.0.1:9 --env NO_PROXY=127.0.0.1,localhost
}

# Without an account: everything on this machine, whatever else is set.
use_stand_in_cloud() {
	local program
	unset E2B_DOMAIN E2B_TEMPLATE_ID
	mkdir -p "$E2B_DIR"
	E2B_API_KEY=e2b_$(openssl rand -hex 20)
	ANTHROPIC_API_KEY=sk-demo-$(openssl rand -hex 16)
	if program=$(install_claude); then
		say "    the agent is the real Claude Code, its model is scripted (tests/model-server)"
	else
		program=$ROOT/tests/e2b-server/stand-in/claude
		say "    Claude Code cannot be installed here (npm; var/log/npm.log has why),"
		say "    so a stand-in takes its place: tests/e2b-server/stand-in/claude"
	fi
	E2B_PROGRAMS=${program%/*}
	make_template "$program"
	start_model && start_sandboxes || return 1
	E2B_API_URL=https://localhost:$(port_of e2b-server)
	E2B_SANDBOX_URL=$E2B_API_URL
	E2B_CA_FILE=$TASKMILL_CA_FILE
	say "    the sandboxes are on this machine, of tests/e2b-server, at $E2B_API_URL"
}

# Sets the mode in force. Whatever the environment names is used as it is.
use_e2b() {
	local name
	mkdir -p "$E2B_DIR"
	forget_e2b "$TASKMILL_CONFIG" || :
	if $real_e2b; then
		say "    sandboxes of E2B, with your key; the agent works with yours, too"
	else
		use_stand_in_cloud || return 1
	fi
	: >"$E2B_DIR/in-force"
	for name in $E2B_SETTINGS; do
		[ -z "${!name:-}" ] || set_key "$name"
	done
	script/stack restart >/dev/null
}

# E2B's machines cannot reach our nginx, so there the repository is a public one.
e2b_repository() {
	if $real_e2b; then
		repo=https://github.com/octocat/Hello-World
	else
		repo=$TASKMILL_DEMO_REPO
	fi
}
