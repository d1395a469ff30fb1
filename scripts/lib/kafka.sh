# Apache Kafka for scripts/services: one process, broker and KRaft controller in one.

KAFKA_READY_SECONDS_MAX=120 # about 4 s alone; a busy machine takes many times that
KAFKA_HEAP=384m

kafka_java() { # kafka_java NAME: sets java to the command; what a JVM leaves in /tmp stays in the folder
    java=(java -Xmx"$KAFKA_HEAP" -XX:+UseSerialGC -XX:-UsePerfData -XX:+ExitOnOutOfMemoryError
        -Djava.io.tmpdir="$STATE/$1" -Dlog4j.configuration="file:$PWD/scripts/kafka/log4j.properties"
        -cp "$PWD/.tools/kafka/*")
}

kafka_cluster_id() { # 16 bytes in URL-safe base64; a leading dash would read as an option
    local id=-
    while [ "${id#-}" != "$id" ]; do
        id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d =)
    done
    echo "$id"
}

kafka_up() {
    local dir=$STATE/$1 controller java
    mkdir -p "$dir"
    free_port >"$dir/port"
    controller=$(free_port)
    cat >"$dir/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$(port_of "$1"),CONTROLLER://127.0.0.1:$controller
# A proxy that a test puts before the broker must be what the broker tells its clients.
advertised.listeners=PLAINTEXT://${GAMEMESH_KAFKA_ADVERTISED:-127.0.0.1:$(port_of "$1")}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
num.partitions=4
auto.create.topics.enable=true
# A broker that was killed may come back only after the session of its former life has ended.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# One broker cannot keep the three copies that these ask for by default.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
END
    kafka_java "$1"
    "${java[@]}" kafka.tools.StorageTool format --config "$dir/server.properties" \
        --cluster-id "$(kafka_cluster_id)" >"$dir/log" 2>&1 </dev/null || return 1
    kafka_run "$1"
}

kafka_has_started() { # logged once the controller has let the broker in; earlier starts do not count
    tail -c "+$(($(cat "$STATE/$1/log-offset") + 1))" "$STATE/$1/log" | grep -q 'Kafka Server started'
}

kafka_run() {
    local dir=$STATE/$1 java
    wc -c <"$dir/log" >"$dir/log-offset"
    kafka_java "$1"
    spawn "$1" "${java[@]}" kafka.Kafka "$dir/server.properties"
    wait_until "$1" "$KAFKA_READY_SECONDS_MAX" kafka_has_started "$1"
}

kafka_env() { echo "export KAFKA_BROKERS=127.0.0.1:$(port_of "$1")"; }
