#!/bin/sh
# Makes the commit of a pull request: the stored patch on the base branch, with
# the patch's author and date, so that the same input gives the same commit.
# Works on the index alone: no file is written, no attribute or filter of the
# repository has a say.
#
# From the environment: TASKMILL_CONTROL, TASKMILL_BASE (the commit that the
# patch was made from, or empty), TASKMILL_DATE (seconds, for a patch without a
# date). Reads patch, out/tip and out/earlier. Writes out/commit and out/state:
# "ready", "same" (the base has it already), "none" (it is no patch), or
# "conflict" with out/conflicts.
set -u
umask 022

control=$TASKMILL_CONTROL
out=$control/out

export HOME="$control/empty" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=/bin/false GIT_OPTIONAL_LOCKS=0
export GIT_ALLOW_PROTOCOL=none GIT_NO_LAZY_FETCH=1 LC_ALL=C TZ=UTC
export GIT_DIR="$control/git" GIT_INDEX_FILE="$control/index"

safe_git() {
	git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c gc.auto=0 \
		-c core.attributesFile=/dev/null -c core.autocrlf=false \
		-c core.quotePath=true -c i18n.commitEncoding=UTF-8 \
		-c apply.whitespace=nowarn -c merge.conflictStyle=merge "$@"
}

# The files that stand in the way, one a line.
write_conflicts() {
	{
		safe_git ls-files --unmerged | cut -f 2-
		sed -n -e 's/^error: \(.*\): patch does not apply$/\1/p' \
			-e 's/^error: \(.*\): does not exist in index$/\1/p' \
			-e 's/^error: \(.*\): already exists in index$/\1/p' \
			-e 's/^error: \(.*\): does not match index$/\1/p' \
			"$out/errors"
	} | sort -u >"$out/conflicts"
	echo conflict >"$out/state"
}

# The patch onto commit $1, in the index. Fails, and says so in out/state.
put_patch() {
	rm -f -- "$GIT_INDEX_FILE" "$out/state" "$out/conflicts" || exit 3
	safe_git read-tree "$1" || exit 3
	# On the very commit it was made from a patch fits as it is. Elsewhere
	# lines may have moved, and three-way knows better than a search for the
	# context.
	way=--3way
	[ "$1" != "$TASKMILL_BASE" ] || way=
	# shellcheck disable=SC2086 # no word, or one
	safe_git apply --cached $way "$control/patch" 2>"$out/errors" &&
		return
	if grep -qE 'No valid patches|corrupt patch|patch fragment without' \
		"$out/errors"; then
		echo none >"$out/state"
	else
		write_conflicts
	fi
	return 1
}

field() {
	sed -n "s/^$1: //p" "$out/info" | head -n 1
}

# Author, date and words of the commit, from the patch.
read_words() {
	safe_git mailinfo --no-scissors "$out/body" /dev/null \
		<"$control/patch" >"$out/info" || exit 3
	GIT_AUTHOR_NAME=$(field Author) GIT_AUTHOR_EMAIL=$(field Email)
	GIT_AUTHOR_DATE=$(field Date)
	[ -n "$GIT_AUTHOR_NAME" ] || GIT_AUTHOR_NAME='AI Assistant'
	[ -n "$GIT_AUTHOR_EMAIL" ] || GIT_AUTHOR_EMAIL=ai@example.com
	[ -n "$GIT_AUTHOR_DATE" ] || GIT_AUTHOR_DATE="$TASKMILL_DATE +0000"
	export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE
	# As the commit in the sandbox had it, so that it is that very one again.
	export GIT_COMMITTER_NAME="$GIT_AUTHOR_NAME"
	export GIT_COMMITTER_EMAIL="$GIT_AUTHOR_EMAIL"
	export GIT_COMMITTER_DATE="$GIT_AUTHOR_DATE"
	{
		field Subject
		if [ -s "$out/body" ]; then
			echo
			safe_git stripspace <"$out/body"
		fi
	} >"$out/message"
}

# Out of the patch on commit $1; the reason why there is none in out/state.
make_commit() {
	put_patch "$1" || return
	tree=$(safe_git write-tree) || exit 3
	if [ "$tree" = "$(safe_git rev-parse "$1^{tree}")" ]; then
		echo same >"$out/state"
		return 1
	fi
	read_words
	safe_git commit-tree -p "$1" -F "$out/message" "$tree" \
		>"$out/commit" || exit 3
	echo ready >"$out/state"
}

# Was commit $1 pushed by us? Then it is what the patch gives on its parent, to
# the last bit. Nobody else makes that commit, whatever its branch is called.
is_ours() {
	parent=$(safe_git rev-parse --verify --quiet "$1^1^{commit}") || return
	make_commit "$parent" && [ "$(cat "$out/commit")" = "$1" ]
}

cd -- "$control/empty" || exit 3
read -r tip <"$out/tip" || exit 3
while read -r earlier; do
	! is_ours "$earlier" || exit 0
done <"$out/earlier"
make_commit "$tip"
exit 0
