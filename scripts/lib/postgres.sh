# PostgreSQL for scripts/services: a cluster of its own; the one that Debian's package makes is
# never touched. One of them has pgvector, which Debian has not: its programs come from PyPI.

POSTGRES_READY_SECONDS_MAX=60

as_postgres() { # the server refuses to run as root
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups --inh-caps=-all "$@")
    else
        "$@"
    fi
}

pg_bin_of() { # the folder of the programs that NAME runs with
    if [ "$1" = pgvector ]; then pgvector_bin; else pg_bin; fi
}

pgvector_bin() { # the user that the server runs as must be able to read it: a clone may lie in root's home
    if as_postgres test -r "$PWD/$PGVECTOR_BIN"; then
        echo "$PWD/$PGVECTOR_BIN"
        return
    fi
    if [ ! -d "$STATE/pgvector/programs" ]; then
        mkdir -p "$STATE/pgvector"
        cp -a "$PWD/.tools/pgvector" "$STATE/pgvector/programs"
    fi
    echo "$STATE/pgvector/programs/${PGVECTOR_BIN#.tools/pgvector/}"
}

postgres_up() {
    local dir=$STATE/$1 bin
    bin=$(pg_bin_of "$1")
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
# A standby that is asked for what it is about to remove goes on after a second.
max_standby_streaming_delay = 1s
fsync = on
synchronous_commit = on
log_line_prefix = '%m [%p] '
END
    postgres_run "$1" &&
        "$bin/createdb" -h 127.0.0.1 -p "$(port_of "$1")" -U gamemesh gamemesh >>"$dir/log" 2>&1
}

postgres_run() { # pg_ctl waits until the server takes connections
    local dir=$STATE/$1
    as_postgres "$(pg_bin_of "$1")/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t "$POSTGRES_READY_SECONDS_MAX" start \
        >/dev/null 2>&1 </dev/null 9>&- || return 1
    record "$1" "$(head -n 1 "$dir/data/postmaster.pid")"
}

postgres_kill() { # as a crash: no checkpoint, and the next start recovers from the log
    as_postgres "$(pg_bin_of "$1")/pg_ctl" -D "$STATE/$1/data" -m immediate -w stop >/dev/null 2>&1 9>&- || true
}

postgres_env() { echo "export POSTGRES_URL=postgres://gamemesh@127.0.0.1:$(port_of "$1")/gamemesh"; }

pgvector_up() { postgres_up "$1"; }
pgvector_run() { postgres_run "$1"; }
pgvector_kill() { postgres_kill "$1"; }
pgvector_env() { echo "export PGVECTOR_URL=postgres://gamemesh@127.0.0.1:$(port_of "$1")/gamemesh"; }

postgres_cluster_up() { # the first is the primary, the others follow it
    local primary standby
    for standby in $(members "$1"); do
        if [ -z "${primary:-}" ]; then
            primary=$standby
            postgres_up "$primary" || return 1
        else
            postgres_standby "$standby" "$primary" || return 1
        fi
    done
    wait_until "$primary" "$POSTGRES_READY_SECONDS_MAX" postgres_standbys_stream "$primary"
}

postgres_standby() { # postgres_standby NAME PRIMARY: a copy that follows its write-ahead log
    local dir=$STATE/$1 bin
    bin=$(pg_bin)
    mkdir -p "$dir"
    free_port >"$dir/port"
    : >"$dir/log"
    if [ "$(id -u)" -eq 0 ]; then chown postgres: "$dir" "$dir/log"; fi
    as_postgres "$bin/pg_basebackup" -D "$dir/data" -h 127.0.0.1 -p "$(port_of "$2")" -U gamemesh -R -X stream \
        --checkpoint=fast --no-sync >>"$dir/log" 2>&1 || return 1
    echo "port = $(port_of "$1")" >>"$dir/data/postgresql.conf"
    postgres_run "$1"
}

postgres_standbys_stream() { # all three have connected to PRIMARY
    local count
    count=$("$(pg_bin)/psql" -h 127.0.0.1 -p "$(port_of "$1")" -U gamemesh -d gamemesh -Atc \
        "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")
    [ "$count" = 3 ]
}

postgres_cluster_run() { postgres_run "$1"; }
postgres_cluster_kill() { postgres_kill "$1"; }

postgres_cluster_env() {
    local node urls=
    for node in $(members "$1"); do
        [ "$node" = postgres-cluster-1 ] || urls+=${urls:+,}postgres://gamemesh@127.0.0.1:$(port_of "$node")/gamemesh
    done
    echo "export POSTGRES_PRIMARY_URL=postgres://gamemesh@127.0.0.1:$(port_of postgres-cluster-1)/gamemesh"
    echo "export POSTGRES_REPLICA_URLS=$urls"
}
