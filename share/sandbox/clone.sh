#!/bin/sh
# Clones one branch for a task, and keeps a trusted copy of the git folder
# where the agent never sees it: later git works with that copy alone, because
# what an agent may have put into a .git is code for whoever runs git there.
#
# From the environment: TASKMILL_CONTROL (our folder), TASKMILL_URL,
# TASKMILL_BRANCH, TASKMILL_ORIGIN, TASKMILL_TOKEN, TASKMILL_CA (or empty).
# Writes out/base (the commit, its tree) and, when the clone failed, out/why:
# "empty", "no_branch", "tag" or "git".
set -u
work=$HOME/workspace
repo=$work/repo
# shellcheck source=share/sandbox/remote.sh
. "$TASKMILL_CONTROL/remote.sh"

# Why did it fail? A list of the branches tells what the error's text may not.
explain() {
	list=$(safe_git ls-remote --heads -- "$TASKMILL_URL") || {
		echo git >"$control/out/why"
		return
	}
	if [ -z "$list" ]; then
		echo empty >"$control/out/why"
	else
		echo no_branch >"$control/out/why"
	fi
}

[ -d "$control/out" ] || mkdir -p "$control/out" "$control/empty" "$work" ||
	exit 3
if [ -e "$repo" ] || [ -e "$control/out/why" ]; then
	rm -rf -- "$repo" "$control/git" "$control/out/why" || exit 3
fi

safe_git clone --quiet --depth 1 --single-branch --no-tags \
	--branch "$TASKMILL_BRANCH" -- "$TASKMILL_URL" "$repo" \
	2>"$control/out/errors"
code=$?
if [ "$code" -ne 0 ]; then
	cat "$control/out/errors" >&2
	if grep -q 'emote branch .* not found' "$control/out/errors"; then
		explain
	else
		echo git >"$control/out/why"
	fi
	exit 1
fi

# --branch takes a tag as well; then there is no branch to come back to.
read -r head <"$repo/.git/HEAD"
if [ "$head" != "ref: refs/heads/$TASKMILL_BRANCH" ]; then
	echo tag >"$control/out/why"
	exit 1
fi
cp -R --reflink=auto -- "$repo/.git" "$control/git" &
copy=$!
safe_git -C "$repo" rev-parse HEAD 'HEAD^{tree}' >"$control/out/base" || {
	echo empty >"$control/out/why"
	exit 1
}
wait "$copy" || exit 3
