#!/bin/sh
# Writes the patch again, with the files that $TASKMILL_CONTROL/attributes
# names as binary ones: "git am" would change the ends of their lines. It goes to
# a file of its own, repatched, so that whoever comes again finds the first one.
set -u

control=$TASKMILL_CONTROL
out=$control/out

export HOME="$control/empty" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_TERMINAL_PROMPT=0 GIT_ASKPASS=/bin/false GIT_OPTIONAL_LOCKS=0
export GIT_ALLOW_PROTOCOL=none LC_ALL=C TZ=UTC
export GIT_INDEX_FILE="$control/empty/none"

read -r base <"$out/base" || exit 3
read -r commit <"$out/commit" || exit 3
cd -- "$control/empty" || exit 3
mkdir -p "$control/git/info" || exit 3
cp -- "$control/attributes" "$control/git/info/attributes" || exit 3
git --git-dir="$control/git" --work-tree="$control/empty" \
	-c core.hooksPath=/dev/null -c core.fsmonitor=false \
	-c core.attributesFile=/dev/null -c diff.renames=true \
	format-patch --quiet --stdout --binary --full-index --no-ext-diff \
	--ignore-submodules=all --no-textconv --no-color -M "$base..$commit" >"$out/repatched.new" &&
	mv -f -- "$out/repatched.new" "$out/repatched"
