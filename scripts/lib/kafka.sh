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

# Who tests are where the broker asks: the second listener has TLS and SCRAM.
KAFKA_USER=gamemesh
KAFKA_PASSWORD=only-for-tests

kafka_certificate() { # kafka_certificate DIR: an authority (ca.pem), and the broker's key and certificate (broker.pem)
    local dir=$1 key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
    # shellcheck disable=SC2086 # the words of an option
    openssl req -x509 $key -keyout "$dir/ca.key" -out "$dir/ca.pem" -days 30 -subj /CN=test-authority \
        >/dev/null 2>&1 &&
        openssl req $key -keyout "$dir/broker.key" -out "$dir/broker.csr" -subj /CN=127.0.0.1 >/dev/null 2>&1 &&
        openssl x509 -req -in "$dir/broker.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 30 \
            -extfile <(echo 'subjectAltName=IP:127.0.0.1') -out "$dir/broker.crt" >/dev/null 2>&1 &&
        cat "$dir/broker.key" "$dir/broker.crt" >"$dir/broker.pem"
}

kafka_up() {
    local dir=$STATE/$1 controller java secure
    mkdir -p "$dir"
    free_port >"$dir/port"
    free_port >"$dir/secure-port"
    controller=$(free_port)
    secure=$(cat "$dir/secure-port")
    kafka_certificate "$dir" || return 1
    cat >"$dir/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$(port_of "$1"),SASL_SSL://127.0.0.1:$secure,CONTROLLER://127.0.0.1:$controller
# A proxy that a test puts before the broker must be what the broker tells its clients.
advertised.listeners=PLAINTEXT://${GAMEMESH_KAFKA_ADVERTISED:-127.0.0.1:$(port_of "$1")},SASL_SSL://127.0.0.1:$secure
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
    user_$KAFKA_USER="$KAFKA_PASSWORD";
ssl.keystore.type=PEM
ssl.keystore.location=$dir/broker.pem
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
        --cluster-id "$(kafka_cluster_id)" \
        --add-scram "SCRAM-SHA-512=[name=$KAFKA_USER,password=$KAFKA_PASSWORD]" >"$dir/log" 2>&1 </dev/null || return 1
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

kafka_env() {
    echo "export KAFKA_BROKERS=127.0.0.1:$(port_of "$1")"
    # The same broker with TLS, for those who show who they are.
    echo "export KAFKA_SECURE_BROKERS=127.0.0.1:$(cat "$STATE/$1/secure-port")"
    echo "export KAFKA_SECURE_CA_FILE=$STATE/$1/ca.pem"
}
