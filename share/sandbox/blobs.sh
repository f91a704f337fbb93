#!/bin/sh
# Prints the blobs that $TASKMILL_CONTROL/ids names, one after the other, as
# "git cat-file --batch" does: whoever started it looks for secrets in them.
set -u

control=$TASKMILL_CONTROL

export HOME="$control/empty" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_OPTIONAL_LOCKS=0 GIT_ALLOW_PROTOCOL=none GIT_NO_LAZY_FETCH=1
export LC_ALL=C

cd -- "$control/empty" || exit 3
exec git --git-dir="$control/git" cat-file --buffer --batch <"$control/ids"
