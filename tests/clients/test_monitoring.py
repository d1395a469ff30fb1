"""The dashboards and alerts of the chart, asked of a real Prometheus that scrapes a real server."""

import json
import re
import sys
import time
import uuid

import pytest
from websockets.sync.client import connect

from collector import Collector
from prometheus import scraping, values
from support import REPOSITORY, Server, curl

sys.path.insert(0, str(REPOSITORY / "helm"))
import dashboards

SECONDS_MAX = 30
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
# What an operator must find on some dashboard.
SIGNALS = {
    "calls": {"grpc_server_handled_total", "grpc_server_handling_seconds", "grpc_server_in_flight"},
    "pools": {"gamemesh_pool_in_use", "gamemesh_pool_waiters"},
    "caches": {
        "gsm_cache_hits_total",
        "gsm_cache_misses_total",
        "gamemesh_cache_answers_total",
        "gamemesh_cache_stale_beyond_bound_total",
        "memory_documents_cache_hits_total",
        "memory_page_hits_total",
        "match_stats_cache_hit_ratio",
    },
    "lanes": {"gamemesh_lanes_owned", "gamemesh_lanes_takeovers_total", "combat_lanes_owned"},
    "outbox": {
        "gamemesh_outbox_lag_events",
        "gamemesh_outbox_published_total",
        "gamemesh_outbox_failures_total",
        "gamemesh_outbox_fenced_total",
    },
    "shards": {
        "combat_active_sessions",
        "combat_tick_lateness_seconds",
        "combat_command_duration_seconds",
        "combat_block_failures_total",
        "match_stats_queue_events",
        "match_stats_lag_blocks",
    },
    "sockets": {
        "http_server_websockets_open",
        "http_server_requests_total",
        "combat_frames_total",
        "combat_frames_conflated_total",
    },
}
# Pools, breakers, owners and lag belong to servers that are not there on the embedded default.
ABSENT_ON_THE_EMBEDDED_DEFAULT = ("gamemesh_pool_", "_lanes_")


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory):
    """One that sends traces, so that its histograms have exemplars."""
    collector = Collector()
    endpoint = f"http://127.0.0.1:{collector.port}"
    folder = tmp_path_factory.mktemp("server")
    running = Server(binary, folder, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint).start()
    yield running
    assert running.stop() == 0, running.log()[-4000:]
    collector.stop()


@pytest.fixture(scope="module")
def used(server):
    """The server, after a call of each service that succeeds and one that is refused."""
    api = f"{server.url}/api/v1"
    event = {
        "eventId": str(uuid.uuid4()),
        "matchId": "monitored",
        "playerId": "ann",
        "eventType": "player_join",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    answers = [
        curl(f"{api}/state/player/monitored", method="PUT", body={"level": 3}),
        curl(f"{api}/state/player/monitored"),
        curl(f"{api}/combat/sessions", method="POST", body={"name": "monitored"}),
        curl(f"{api}/match-stats/events", method="POST", body={"events": [event]}),
        curl(f"{api}/memory/entities/monitored", method="PUT", body={"type": "npc", "data": {}}),
    ]
    assert [answer.status for answer in answers] == [200] * len(answers), answers
    socket_url = f"{api}/combat/sessions/{answers[2].json()['sessionId']}/ws".replace(
        "http", "ws", 1
    )
    connect(socket_url, subprotocols=["combat.v1.json"]).close()
    for nothing in ("state/player/nobody", "combat/sessions/none", "memory/entities/nothing"):
        assert curl(f"{api}/{nothing}").status in (400, 404), nothing
    assert curl(f"{api}/match-stats/matches/none").status in (400, 404)
    return server


@pytest.fixture(scope="module")
def prometheus(used, tmp_path_factory):
    """A Prometheus that scrapes the server; its URL."""
    folder = tmp_path_factory.mktemp("prometheus")
    with scraping(used.address, folder, "--enable-feature=exemplar-storage") as url:
        yield url


def _queries():
    for name, text in dashboards.rendered().items():
        for panel in json.loads(text)["panels"]:
            for target in panel["targets"]:
                expr = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
                yield pytest.param(expr, id=f"{name}: {panel['title']} {target['refId']}")


def all_queries():
    for text in dashboards.rendered().values():
        for panel in json.loads(text)["panels"]:
            yield from (target["expr"] for target in panel["targets"])


@pytest.mark.parametrize("query", list(_queries()))
def test_every_query_of_a_dashboard_is_answered(prometheus, declared, query):
    answered = values(prometheus, query)
    if not any(prefix in query for prefix in ABSENT_ON_THE_EMBEDDED_DEFAULT):
        # Where nothing was called yet a sum is empty, but what it is made of is declared.
        names = dashboards.metric_names(query)
        assert names
        assert answered or set(names) <= declared, query


@pytest.fixture(scope="module")
def declared(used) -> set[str]:
    """The metrics that the server has."""
    text = curl(f"{used.url}/metrics").body.decode()
    return set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))


@pytest.mark.parametrize("what", SIGNALS)
def test_each_part_shows_its_signals(declared, what):
    shown = {name for query in all_queries() for name in dashboards.metric_names(query)}
    assert SIGNALS[what] <= shown, SIGNALS[what] - shown
    if what not in ("pools", "lanes"):
        assert SIGNALS[what] <= declared, SIGNALS[what] - declared


def test_the_rules_are_loaded_and_a_healthy_server_raises_no_alarm(prometheus):
    rules = curl(f"{prometheus}/api/v1/rules").json()["data"]["groups"]
    loaded = [rule for group in rules for rule in group["rules"]]
    assert loaded
    assert all(rule["health"] in ("ok", "unknown") for rule in loaded), loaded
    firing = [rule["name"] for rule in loaded if rule["state"] == "firing"]
    assert firing == []


def test_a_histogram_leads_to_a_trace(used, prometheus):
    traced = ("-H", f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01")
    path = f"{used.url}/api/v1/state/player/monitored"
    query = 'grpc_server_handling_seconds_bucket{grpc_method="GetPlayer"}'
    deadline = time.monotonic() + SECONDS_MAX
    found = []
    while TRACE not in found:
        assert time.monotonic() < deadline, found
        assert curl(path, *traced).status == 200
        now = time.time()
        asked = {"query": query, "start": now - 60, "end": now + 1}
        data = [
            it for name, value in asked.items() for it in ("--data-urlencode", f"{name}={value}")
        ]
        answer = curl(f"{prometheus}/api/v1/query_exemplars", "--get", *data)
        series = answer.json()["data"]
        found = [it["labels"]["trace_id"] for one in series for it in one["exemplars"]]
        time.sleep(0.2)
    # A scraper of the older form gets none: it could not read them.
    assert " # {" not in curl(f"{used.url}/metrics").body.decode()
