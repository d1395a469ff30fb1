# Redis for scripts/services: a single server, and a cluster of three primaries with one replica
# each. With GAMEMESH_SERVICES_TLS, a folder with ca.pem, server.pem and server.key, they speak TLS only, and
# ask for certificates of that authority.

REDIS_READY_SECONDS_MAX=60

redis_ask() { # redis_ask NAME COMMAND...
    local port
    port=$(port_of "$1")
    shift
    redis_cli_tls
    timeout 5 redis-cli "${cli_tls[@]}" -h 127.0.0.1 -p "$port" "$@"
}

redis_cli_tls() { # cli_tls: how redis-cli speaks
    cli_tls=()
    local tls=${GAMEMESH_SERVICES_TLS:-}
    [ -z "$tls" ] ||
        cli_tls=(--tls --cacert "$tls/ca.pem" --cert "$tls/server.pem" --key "$tls/server.key")
}

redis_answers() { # it is our process that answers, not a stranger on the same port
    redis_ask "$1" info server | tr -d '\r' | grep -qx "process_id:$(pid_of "$1")"
}

redis_run() { # redis_run NAME [OPTION...]: a dump.rdb in its folder is loaded at start
    local name=$1 dir=$STATE/$1 tls=${GAMEMESH_SERVICES_TLS:-} ports
    shift
    ports=(--port "$(port_of "$name")")
    [ -z "$tls" ] ||
        ports=(--port 0 --tls-port "$(port_of "$name")" --tls-ca-cert-file "$tls/ca.pem"
            --tls-cert-file "$tls/server.pem" --tls-key-file "$tls/server.key"
            --tls-replication yes)
    spawn "$name" redis-server --bind 127.0.0.1 "${ports[@]}" --dir "$dir" --save '' \
        --appendonly no --repl-diskless-sync-delay 0 "$@"
    wait_until "$name" "$REDIS_READY_SECONDS_MAX" redis_answers "$name"
}

redis_up() {
    mkdir -p "$STATE/$1"
    free_port >"$STATE/$1/port"
    redis_run "$1"
}

redis_scheme() { echo "redis${GAMEMESH_SERVICES_TLS:+s}"; }

redis_env() { echo "export REDIS_URL=$(redis_scheme)://127.0.0.1:$(port_of "$1")"; }

# A replica may take over however old it is: by its defaults it may not once it was without its primary for
# half a minute, as on a machine too busy for an election, and the cluster would be down for good.
redis_cluster_run() { # one node
    local tls=()
    [ -z "${GAMEMESH_SERVICES_TLS:-}" ] || tls=(--tls-cluster yes)
    redis_run "$1" "${tls[@]}" --cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 2000 \
        --cluster-replica-validity-factor 0 --cluster-port "$(cat "$STATE/$1/cluster-port")"
}

redis_cluster_settle() { # wait until its nodes agree that it is whole, unless some are down on purpose
    local node
    running redis-cluster || return 0
    for node in $(members redis-cluster); do
        wait_until "$node" "$REDIS_READY_SECONDS_MAX" redis_cluster_is_whole "$node" || return 1
    done
}

redis_cluster_is_whole() { # as one node sees it: every slot served, and its link to the primary up
    local info
    redis_ask "$1" cluster info | tr -d '\r' | grep -qx 'cluster_state:ok' || return 1
    info=$(redis_ask "$1" info replication | tr -d '\r')
    grep -qxE 'connected_slaves:[1-9]|master_link_status:up' <<<"$info"
}

redis_cluster_up() {
    local node nodes addresses=()
    nodes=$(members "$1")
    for node in $nodes; do
        mkdir -p "$STATE/$node"
        free_port >"$STATE/$node/port"
        free_port >"$STATE/$node/cluster-port"
        addresses+=("127.0.0.1:$(port_of "$node")")
        redis_cluster_run "$node" || return 1
    done
    redis_cli_tls
    timeout "$REDIS_READY_SECONDS_MAX" redis-cli "${cli_tls[@]}" --cluster create "${addresses[@]}" --cluster-replicas 1 \
        --cluster-yes >>"$STATE/$node/log" 2>&1 </dev/null || return 1
    redis_cluster_settle
}

redis_cluster_env() {
    local node urls=
    for node in $(members "$1"); do urls+=${urls:+,}$(redis_scheme)://127.0.0.1:$(port_of "$node"); done
    echo "export REDIS_CLUSTER_URL=$urls"
}
