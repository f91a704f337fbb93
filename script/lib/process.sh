# Processes that script/stack starts and ends. Source it after common.sh.
# shellcheck shell=bash

# A pid file holds "PID START", START being the start time in clock ticks since
# boot: a number that was given again to another process is told by it.

start_time_of() { # PID
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	# The name in the second field may hold blanks and brackets.
	stat=${stat##*) }
	# shellcheck disable=SC2086 # fields
	set -- $stat
	# A dead one that nobody has waited for does not count.
	[ "$1" != Z ] || return 1
	printf '%s\n' "${20}"
}

write_pid() { # FILE PID
	local begun
	begun=$(start_time_of "$2") || return 1
	printf '%s %s\n' "$2" "$begun" >"$1.new" && mv -f "$1.new" "$1"
}

# Prints the pid of a file's process if that very process still lives.
pid_of() { # FILE
	local pid begun
	[ -f "$1" ] || return 1
	read -r pid begun <"$1" || return 1
	case $pid in
	'' | *[!0-9]*) return 1 ;;
	esac
	[ -n "$begun" ] && [ "$(start_time_of "$pid")" = "$begun" ] || return 1
	printf '%s\n' "$pid"
}

same_process() { # PID START
	[ "$(start_time_of "$1")" = "$2" ]
}

# Asks, waits, kills. 0 when it is gone.
end_process() { # PID SIGNAL SECONDS
	local pid=$1 begun i
	begun=$(start_time_of "$pid") || return 0
	kill "-$2" "$pid" 2>/dev/null || :
	for ((i = 0; i < $3 * 20; i++)); do
		same_process "$pid" "$begun" || return 0
		sleep 0.05
	done
	warn "process $pid did not end within $3 s and is killed"
	kill -KILL "$pid" 2>/dev/null || :
	for ((i = 0; i < 100; i++)); do
		same_process "$pid" "$begun" || return 0
		sleep 0.05
	done
	return 1
}

wait_until() { # SECONDS COMMAND...
	local limit=$1 i
	shift
	for ((i = 0; i < limit * 20; i++)); do
		if "$@"; then return 0; fi
		sleep 0.05
	done
	return 1
}
