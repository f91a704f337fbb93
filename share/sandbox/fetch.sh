#!/bin/sh
# Fetches what a pull request's commit is made on: the base branch as it is
# now, and the commit that the patch was made from, for a three-way merge. And
# what stands under the names that the branch may get: an earlier push of ours
# may have got through although its answer was lost.
#
# From the environment: what remote.sh wants, TASKMILL_BRANCH, TASKMILL_BASE
# (the commit, or empty), TASKMILL_HEAD (the first name). Writes out/tip,
# out/earlier (commits, one a line) and, when it failed, out/why: "no_base" or
# "refused".
set -u
# shellcheck source=share/sandbox/remote.sh
. "$TASKMILL_CONTROL/remote.sh"
out=$control/out

mkdir -p "$out" "$control/empty" || exit 3
rm -rf -- "$control/git" "$out/why" || exit 3

fail() { # WHY
	cat "$out/errors" >&2
	echo "$1" >"$out/why"
	exit 1
}

# That the host does not have them any more is an answer; that nobody answers
# is none, and what then seems to conflict may not conflict at all.
fetch_commits() { # DEPTH COMMIT...
	depth=$1
	shift
	safe_git --git-dir="$control/git" fetch --quiet --depth "$depth" \
		--no-tags -- "$TASKMILL_URL" "$@" 2>"$out/errors" && return
	grep -qE 'not our ref|unadvertised object|emote ref' "$out/errors" ||
		fail refused
	cat "$out/errors" >&2
}

# A clone, because it finds out by itself which kind of hashes there is.
if ! safe_git clone --quiet --bare --depth 1 --single-branch --no-tags \
	--branch "$TASKMILL_BRANCH" -- "$TASKMILL_URL" "$control/git" \
	2>"$out/errors"; then
	grep -q 'emote branch .* not found' "$out/errors" && fail no_base
	fail refused
fi
# Not a tag of that name.
safe_git --git-dir="$control/git" rev-parse --verify --quiet \
	"refs/heads/$TASKMILL_BRANCH^{commit}" >"$out/tip" || fail no_base
read -r tip <"$out/tip"

# Each with its parent, on which apply.sh tries the patch again.
list_heads >"$out/heads" 2>"$out/errors" || fail refused
name_heads <"$out/heads" | cut -d ' ' -f 2 >"$out/earlier"
# shellcheck disable=SC2046 # words: what git has listed, or awk nothing
[ ! -s "$out/earlier" ] || fetch_commits 2 $(cat "$out/earlier")

# Without it (the branch was rewritten, and the old commit is gone) the patch
# can still be tried as it is.
[ -z "$TASKMILL_BASE" ] || [ "$TASKMILL_BASE" = "$tip" ] ||
	fetch_commits 1 "$TASKMILL_BASE"
exit 0
