# Processes of scripts/services. Each has a folder $STATE/NAME with the files pid ("PID START", so
# that a number used again by the system is not taken for ours), port and log.

GONE_SECONDS_MAX=30

read_stat() { # read_stat PID: sets fields to those of its stat file from the third, the state, on
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The command's name, before them, may hold spaces and brackets.
    read -r -a fields <<<"${stat##*) }"
}

started_at() { # when PID began, in clock ticks since boot; empty when it is not there
    local fields
    read_stat "$1" || return 0
    # A zombie has ended, whoever has still to collect it.
    if [ "${fields[0]}" != Z ]; then echo "${fields[19]}"; fi
}

record() { echo "$2 $(started_at "$2")" >"$STATE/$1/pid"; } # record NAME PID

pid_of() { cut -d' ' -f1 "$STATE/$1/pid" 2>/dev/null || echo -; }
port_of() { cat "$STATE/$1/port" 2>/dev/null || echo -; }

alive() { # alive NAME
    local pid start
    read -r pid start 2>/dev/null <"$STATE/$1/pid" || return 1
    [ -n "$start" ] && [ "$(started_at "$pid")" = "$start" ]
}

state_of() { # running, paused or down
    local fields
    if ! alive "$1" || ! read_stat "$(pid_of "$1")"; then
        echo down
    elif [ "${fields[0]}" = T ]; then
        echo paused
    else
        echo running
    fi
}

spawn() { # spawn NAME COMMAND...: in a session of its own, so that no terminal's signal reaches it
    local name=$1
    shift
    setsid "$@" >>"$STATE/$name/log" 2>&1 </dev/null 9>&- &
    record "$name" $!
}

descendants() { # the processes below PID, parents first
    local dir pid fields
    for dir in /proc/[0-9]*; do
        pid=${dir#/proc/}
        if read_stat "$pid" && [ "${fields[1]}" = "$1" ]; then
            echo "$pid"
            descendants "$pid"
        fi
    done
}

signal_tree() { # signal_tree SIGNAL NAME: the process first, so that it makes no more children
    alive "$2" || die "$2 does not run"
    local pid
    pid=$(pid_of "$2")
    kill -s "$1" "$pid"
    for pid in $(descendants "$pid"); do kill -s "$1" "$pid" 2>/dev/null || true; done
}

wait_gone() { # wait_gone NAME
    local deadline=$((SECONDS + GONE_SECONDS_MAX))
    while alive "$1"; do
        [ "$SECONDS" -lt "$deadline" ] || die "$1 did not end within $GONE_SECONDS_MAX s"
        sleep 0.02
    done
}

wait_until() { # wait_until NAME SECONDS COMMAND...: while the process lives
    local name=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        alive "$name" || return 1
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

free_port() { # below the range that the system gives to outgoing connections
    local port
    while :; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
}

show_logs() { # the end of the logs of SERVICE
    local log
    for log in "$STATE/$1"/log "$STATE/$1"-[1-6]/log; do
        if [ -f "$log" ]; then
            say "the end of $log:"
            tail -n 20 "$log" >&2
        fi
    done
}
