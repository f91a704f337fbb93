#!/bin/sh
# Fetches what a pull request's commit is made on: the base branch as it is
# now, and the commit that the patch was made from, for a three-way merge.
#
# From the environment: what remote.sh wants, TASKMILL_BRANCH, TASKMILL_BASE
# (the commit, or empty). Writes out/tip and, when it failed, out/why:
# "no_base" or "refused".
set -u
# shellcheck source=share/sandbox/remote.sh
. "$TASKMILL_CONTROL/remote.sh"

mkdir -p "$control/out" "$control/empty" || exit 3
rm -rf -- "$control/git" "$control/out/why" || exit 3

# A clone, because it finds out by itself which kind of hashes there is.
if ! safe_git clone --quiet --bare --depth 1 --single-branch --no-tags \
	--branch "$TASKMILL_BRANCH" -- "$TASKMILL_URL" "$control/git" \
	2>"$control/out/errors"; then
	cat "$control/out/errors" >&2
	if grep -q 'emote branch .* not found' "$control/out/errors"; then
		echo no_base >"$control/out/why"
	else
		echo refused >"$control/out/why"
	fi
	exit 1
fi
# Not a tag of that name.
safe_git --git-dir="$control/git" rev-parse --verify --quiet \
	"refs/heads/$TASKMILL_BRANCH^{commit}" >"$control/out/tip" || {
	echo no_base >"$control/out/why"
	exit 1
}
read -r tip <"$control/out/tip"

# Without it (the branch was rewritten, and the old commit is gone) the patch
# can still be tried as it is.
if [ -n "$TASKMILL_BASE" ] && [ "$TASKMILL_BASE" != "$tip" ]; then
	safe_git --git-dir="$control/git" fetch --quiet --depth 1 --no-tags \
		-- "$TASKMILL_URL" "$TASKMILL_BASE" 2>/dev/null ||
		echo "the commit that the patch was made from is gone" >&2
fi
exit 0
