# PostgreSQL for scripts/services: a cluster of its own; the one that Debian's package makes is
# never touched.

POSTGRES_READY_SECONDS_MAX=60

as_postgres() { # the server refuses to run as root
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups --inh-caps=-all "$@")
    else
        "$@"
    fi
}

postgres_up() {
    local dir=$STATE/$1 bin
    bin=$(pg_bin)
    mkdir -p "$dir"
    free_port >"$dir/port"
    : >"$dir/log"
    if [ "$(id -u)" -eq 0 ]; then chown postgres: "$dir" "$dir/log"; fi
    # Not syncing the empty cluster saves seconds; the server itself runs with fsync on.
    as_postgres "$bin/initdb" -D "$dir/data" -U gamemesh -E UTF8 --locale=C --auth=trust --no-sync \
        >>"$dir/log" 2>&1 || return 1
    cat >>"$dir/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
port = $(port_of "$1")
# A socket's path has at most 107 bytes, which a temporary folder can exceed.
unix_socket_directories = ''
max_connections = 300
fsync = on
synchronous_commit = on
log_line_prefix = '%m [%p] '
END
    postgres_run "$1" &&
        "$bin/createdb" -h 127.0.0.1 -p "$(port_of "$1")" -U gamemesh gamemesh >>"$dir/log" 2>&1
}

postgres_run() { # pg_ctl waits until the server takes connections
    local dir=$STATE/$1
    as_postgres "$(pg_bin)/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t "$POSTGRES_READY_SECONDS_MAX" start \
        >/dev/null 2>&1 </dev/null 9>&- || return 1
    record "$1" "$(head -n 1 "$dir/data/postmaster.pid")"
}

postgres_kill() { # as a crash: no checkpoint, and the next start recovers from the log
    as_postgres "$(pg_bin)/pg_ctl" -D "$STATE/$1/data" -m immediate -w stop >/dev/null 2>&1 9>&- || true
}

postgres_env() { echo "export POSTGRES_URL=postgres://gamemesh@127.0.0.1:$(port_of "$1")/gamemesh"; }
