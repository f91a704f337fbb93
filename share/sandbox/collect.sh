#!/bin/sh
# Takes what an agent left behind: commit, list of changes, diff, patch, and
# the texts before and after. Uses the trusted git folder; of the agent's own
# .git nothing is read.
#
# From the environment: TASKMILL_CONTROL, TASKMILL_EMAIL (of the commit's author), TASKMILL_FILES_MAX (most files),
# TASKMILL_BLOBS (how many files' texts are wanted), TASKMILL_BLOB_MAX (their
# largest size). Reads out/base and message. Writes to out/: commit, raw, diff,
# patch, blobs, nested (only if there are any); nothing but state, and raw if
# there are submodules to speak of, when nothing changed. state is "same", "changed", "many", or "replaced" when there is no
# folder to look at. Exits with 4 when attributes make a file unfit to be stored.
set -u
umask 022

control=$TASKMILL_CONTROL
work=$HOME/workspace
repo=$work/repo
out=$control/out

export HOME="$control/empty" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=/bin/false GIT_OPTIONAL_LOCKS=0
export GIT_ALLOW_PROTOCOL=none GIT_NO_LAZY_FETCH=1 LC_ALL=C TZ=UTC
export GIT_AUTHOR_NAME='AI Assistant' GIT_AUTHOR_EMAIL="$TASKMILL_EMAIL"
export GIT_COMMITTER_NAME='AI Assistant' GIT_COMMITTER_EMAIL="$TASKMILL_EMAIL"

# The names that the agent could have changed must be what they were.
if [ -L "$work" ] || [ -L "$repo" ]; then
	echo replaced >"$out/state"
	exit 0
fi
# No folder at all: the agent deleted every file.
[ -e "$repo" ] || mkdir -p -- "$repo" 2>/dev/null
if [ ! -d "$repo" ]; then
	echo replaced >"$out/state"
	exit 0
fi

# -c options would do for git, but not for the git that git starts.
count=0
config() {
	for pair; do
		export "GIT_CONFIG_KEY_$count=${pair%%=*}" \
			"GIT_CONFIG_VALUE_$count=${pair#*=}"
		count=$((count + 1))
	done
	export GIT_CONFIG_COUNT="$count"
}
config core.hooksPath=/dev/null core.fsmonitor=false gc.auto=0 \
	maintenance.auto=false core.attributesFile=/dev/null \
	core.excludesFile=/dev/null core.autocrlf=false core.quotePath=true \
	core.untrackedCache=false core.bare=false core.fileMode=true \
	core.symlinks=true submodule.recurse=false \
	diff.renames=true advice.addEmbeddedRepo=false core.safecrlf=false

safe_git() {
	git --git-dir="$control/git" "$@"
}

add_all() {
	safe_git --work-tree="$repo" add -A "$@" 2>"$out/add"
}

# From the list of changes: what undoes those that are submodules' alone. The
# patch does not have them, and the commit must be what the patch gives. One
# whose place files have taken stays away.
links_as_before() {
	awk -F '\t' '
	function plain(path) {
		return path ~ /^"/ ? substr(path, 2, length(path) - 2) : path
	}
	{
		split(substr($1, 2), f, " ")
		if (f[2] == "160000" && f[1] != "160000")
			print "0 " f[4] "\t" $2
		else if (f[1] == "160000" && f[2] == "160000")
			print f[1] " " f[3] "\t" $2
		else if (f[1] == "160000" && f[2] == "000000")
			gone[$2] = f[1] " " f[3] "\t" $2
		else
			path[plain($2)]
	}
	END {
		for (link in gone) {
			taken = 0
			for (name in path)
				taken = taken ||
					index(name, plain(link) "/") == 1
			if (!taken)
				print gone[link]
		}
	}'
}

{ read -r base && read -r base_tree; } <"$out/base" || exit 3
cd -- "$repo" || {
	chmod -- u+rwx "$repo" && cd -- "$repo" || exit 3
}
if ! add_all; then
	# What git cannot store: unreadable files, pipes, sockets. And a folder
	# with a .git of its own that has no commit.
	chmod -R u+rwX -- . 2>/dev/null
	find . -path ./.git -prune -o ! -type f ! -type d ! -type l \
		-exec rm -f -- {} + 2>/dev/null
	if ! add_all --ignore-errors &&
		! grep -q 'does not have a commit checked out' "$out/add"; then
		cat "$out/add" >&2
		# A working-tree-encoding that the file is not in.
		! grep -q 'encod' "$out/add" || exit 4
		exit 3
	fi
	grep 'does not have a commit checked out' "$out/add" >"$out/nested"
fi

cd -- "$control/empty" || exit 3
all=$(safe_git write-tree) || exit 3
tree=$all
if [ "$tree" != "$base_tree" ]; then
	safe_git diff-index --cached --raw --no-renames --no-abbrev \
		--ignore-submodules=none "$base" | grep '^:[0-7 ]*160000 ' \
		>"$out/links"
	if [ -s "$out/links" ]; then
		safe_git diff-index --cached --raw --no-renames --no-abbrev \
			--ignore-submodules=none "$base" | links_as_before |
			safe_git update-index --index-info || exit 3
		tree=$(safe_git write-tree) || exit 3
	fi
fi
# This list alone has submodules in it: a new one is worth a warning.
list_changes() {
	safe_git diff-tree --ignore-submodules=none -r -z --raw --no-abbrev \
		--full-index -M "$base" "$all" >"$out/raw" || exit 3
}
if [ "$tree" = "$base_tree" ]; then
	[ "$all" = "$tree" ] || list_changes
	echo same >"$out/state"
	exit 0
fi
commit=$(safe_git commit-tree -p "$base" -F "$control/message" "$tree") ||
	exit 3
echo "$commit" >"$out/commit"

# Three at once. Attributes of the tree have no say in the patch, and it is
# told in full.
GIT_INDEX_FILE=$control/empty/none safe_git --work-tree="$control/empty" \
	format-patch --quiet --stdout --binary --full-index --no-ext-diff \
	--ignore-submodules=all --no-textconv --no-color -M "$base..$commit" >"$out/patch" &
patch_job=$!
safe_git --work-tree="$control/empty" diff --no-ext-diff --no-textconv \
	--ignore-submodules=all --no-color -M "$base" "$commit" >"$out/diff" &
diff_job=$!

list_changes
# A line for each change, and for each name: a name may look like a change,
# but can then only be counted, or choose a text that is not looked for.
tr '\0' '\n' <"$out/raw" | awk -v most="$TASKMILL_FILES_MAX" \
	-v blobs="$TASKMILL_BLOBS" -v many="$out/many" '
	/^:[0-7]* [0-7]* [0-9a-f]* [0-9a-f]* [A-Z]/ {
		if (++n <= blobs)
			print $3 "\n" $4
		if (n > most) {
			print n >many
			exit
		}
	}' |
	safe_git cat-file --buffer \
		--batch-check='%(objectname) %(objecttype) %(objectsize)' |
	awk -v most="$TASKMILL_BLOB_MAX" \
		'$2 == "blob" && $3 <= most { print $1 }' |
	safe_git cat-file --buffer --batch >"$out/blobs" || exit 3
if [ -e "$out/many" ]; then
	echo many >"$out/state"
	exit 0 # the namespace ends with us, and the jobs with it
fi
wait "$diff_job" || exit 3
wait "$patch_job" || exit 3
echo changed >"$out/state"
