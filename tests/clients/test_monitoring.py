"""The dashboards and alerts of the chart, asked of a real Prometheus that scrapes a real server."""

import json
import pathlib
import re
import socket
import subprocess
import sys
import time
import uuid

import pytest
import yaml
from websockets.sync.client import connect

from support import REPOSITORY, curl

sys.path.insert(0, str(REPOSITORY / "helm"))
import dashboards

SCRAPE_SECONDS = 1
READY_SECONDS_MAX = 60
# Pools, breakers and lag belong to servers that are not there on the embedded default.
ABSENT_ON_THE_EMBEDDED_DEFAULT = ("gamemesh_pool_",)


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
    binary = REPOSITORY / ".tools/prometheus"
    assert binary.is_file(), "prometheus is missing: run scripts/setup helm"
    folder = tmp_path_factory.mktemp("prometheus")
    rules = folder / "alerts.yaml"
    rules.write_text((REPOSITORY / "helm/gamemesh/files/alerts.yaml").read_text())
    scrape = {"job_name": "gamemesh", "static_configs": [{"targets": [used.address]}]}
    interval = f"{SCRAPE_SECONDS}s"
    config = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(rules)],
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            binary,
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("w"),
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _until_scraped(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _until_scraped(url: str, process: subprocess.Popen, log: pathlib.Path) -> None:
    """Rates need several scrapes."""
    for _ in range(READY_SECONDS_MAX * 2):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if _values(url, "count_over_time(up[1m]) >= 5"):
                return
        except (AssertionError, OSError, subprocess.SubprocessError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"no scrape:\n{log.read_text()[-2000:]}")


def _values(url: str, query: str) -> list:
    answer = curl(f"{url}/api/v1/query", "--get", "--data-urlencode", f"query={query}")
    assert answer.status == 200, f"{query}: {answer.body.decode()}"
    return answer.json()["data"]["result"]


def _queries():
    for name, text in dashboards.rendered().items():
        for panel in json.loads(text)["panels"]:
            for target in panel["targets"]:
                expr = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
                yield pytest.param(expr, id=f"{name}: {panel['title']} {target['refId']}")


@pytest.mark.parametrize("query", list(_queries()))
def test_every_query_of_a_dashboard_is_answered(prometheus, declared, query):
    answered = _values(prometheus, query)
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


def test_the_rules_are_loaded_and_a_healthy_server_raises_no_alarm(prometheus):
    rules = curl(f"{prometheus}/api/v1/rules").json()["data"]["groups"]
    loaded = [rule for group in rules for rule in group["rules"]]
    assert loaded
    assert all(rule["health"] in ("ok", "unknown") for rule in loaded), loaded
    firing = [rule["name"] for rule in loaded if rule["state"] == "firing"]
    assert firing == []
