#!/bin/sh
# What a task's pipeline does, with git alone and no sandbox, spool or database.
# same_git.sh URL FOLDER
set -eu
url=$1
cd "$2"
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0 HOME="$2"
git clone -q --depth 1 --single-branch --no-tags --branch main "$url" repo
cp -a repo/.git trusted
base=$(git --git-dir=trusted rev-parse HEAD)
printf 'claude: a prompt\n' >repo/AI_GENERATED.md
trusted() {
	git --git-dir=trusted --work-tree=repo -c user.name=AI -c user.email=ai@example.com "$@"
}
trusted add -A
trusted commit -q -m 'AI: a prompt...'
trusted diff --raw -z --abbrev=40 "$base" HEAD >raw
trusted diff --binary --full-index "$base" HEAD >text.diff
trusted format-patch -q --stdout --binary --full-index "$base"..HEAD >text.patch
