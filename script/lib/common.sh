# Shared by the commands in script/. Source it; it runs nothing.
# shellcheck shell=bash disable=SC2034

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
PYTHON=/usr/bin/python3

# Debian puts nginx, mariadbd and fcgiwrap into sbin, which is not in the PATH
# of an ordinary user.
PATH=$PATH:/usr/sbin:/sbin
export PATH

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
	BOLD='' DIM='' RED='' GREEN='' PLAIN=''
fi

say() {
	printf '%s\n' "$*"
}

step() {
	printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*"
}

warn() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	printf '%s%s: %s%s\n' "$RED" "${0##*/}" "$*" "$PLAIN" >&2
	exit 1
}

# The last lines of a log, indented, for the eye of whoever has to mend it.
show_tail() { # FILE [LINES]
	[ -s "$1" ] || return 0
	printf '%s--- the last lines of %s%s\n' "$DIM" "$1" "$PLAIN" >&2
	tail -n "${2:-20}" "$1" | sed 's/^/    /' >&2
}

# Prints the comment block at the head of a script as its help.
usage() {
	sed -n '2,/^[^#]/{/^# shellcheck/d;/^#/s/^# \{0,1\}//p}' "$0"
}

cores() {
	getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1
}
