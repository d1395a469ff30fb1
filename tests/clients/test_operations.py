"""What an operator looks at: health, readiness, metrics, logs, profiles, a clean end."""

import gzip
import re

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.parser import text_string_to_metric_families

from support import curl, run

FIXED_METRICS = [
    "gsm_state_read_duration_seconds",
    "gsm_state_write_duration_seconds",
    "gsm_cache_hits_total",
    "gsm_cache_misses_total",
    "gsm_memory_pool_usage",
]


@pytest.mark.parametrize("service", ["", "gamemesh.state.v1.StateService"])
def test_grpc_health(channel, service):
    health = health_pb2_grpc.HealthStub(channel)
    answer = health.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_grpc_health_of_an_unknown_service(channel):
    health = health_pb2_grpc.HealthStub(channel)
    with pytest.raises(grpc.RpcError) as refused:
        health.Check(health_pb2.HealthCheckRequest(service="gamemesh.NoService"))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health_over_http(server, path):
    answer = curl(f"{server.url}{path}")
    assert answer.status == 200
    assert answer.json()["status"] == "healthy"
    assert "checks" in answer.json()


def test_ready_names_the_database(server):
    assert "database" in curl(f"{server.url}/ready").json()["checks"]


def test_metrics_have_their_fixed_names(server, api, state, open_type, new_id):
    state.CreateAggregate(api.messages.CreateAggregateRequest(type=open_type, id=new_id))
    state.GetAggregate(api.messages.GetAggregateRequest(type=open_type, id=new_id))
    answer = curl(f"{server.url}/metrics")
    assert answer.status == 200
    text = answer.body.decode()
    for name in FIXED_METRICS:
        assert re.search(rf"^{name}(_count|_bucket)?(\{{[^}}]*\}})? \d", text, re.MULTILINE), name
    writes = re.search(r"^gsm_state_write_duration_seconds_count(?:\{[^}]*\})? (\d+)", text, re.M)
    assert int(writes[1]) >= 1


def test_metrics_are_readable_by_prometheus(server):
    families = text_string_to_metric_families(curl(f"{server.url}/metrics").body.decode())
    types = {family.name: family.type for family in families}
    assert types["gsm_cache_hits"] == "counter"
    assert types["gsm_state_read_duration_seconds"] == "histogram"


def test_a_cpu_profile_is_taken(server):
    answer = curl(f"{server.url}/debug/pprof/profile?seconds=1")
    assert answer.status == 200
    profile = answer.body
    if profile.startswith(b"\x1f\x8b"):
        profile = gzip.decompress(profile)
    # The string table of every CPU profile in pprof's format.
    assert b"nanoseconds" in profile


def test_logs_are_json_and_name_the_address(server):
    listening = [line for line in server.log_lines() if line["message"] == "listening"]
    assert [line["addr"] for line in listening] == [server.address]


def test_a_request_is_found_in_the_log_by_its_correlation_id(own_server):
    running = own_server("--log-level", "debug")
    curl(f"{running.url}/api/v1/state/player/nobody", "-H", "X-Correlation-Id: find-me")
    assert any("find-me" in str(line) for line in running.log_lines())


def test_sigterm_lets_a_watch_end_and_exits_cleanly(own_server, api):
    running = own_server("--drain-timeout", "2s")
    with grpc.insecure_channel(running.address) as channel:
        stub = api.grpc.StateServiceStub(channel)
        watch = stub.WatchAggregates(api.messages.WatchAggregatesRequest(type="player"), timeout=60)
        assert next(iter(watch)).WhichOneof("message") == "begun"
        assert running.stop() == 0
        with pytest.raises(grpc.RpcError) as ended:
            list(watch)
        assert ended.value.code() in (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.CANCELLED,
        )


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--http-addr", "nonsense"], ["http-addr", "nonsense"]),
        (["--database-url", "mysql://x"], ["database-url"]),
        (["--cache-ttl", "soon"], ["cache-ttl", "soon"]),
        (["--no-such-flag"], ["no-such-flag"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_wrong_configuration_is_named(binary, tmp_path, flags, named):
    done = run(binary, "serve", *flags, text=True, cwd=tmp_path)
    assert done.returncode != 0
    for text in named:
        assert text in done.stdout + done.stderr
