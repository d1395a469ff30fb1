"""scripts/services: real servers that start, fail on command, come back, and leave nothing behind.

`make services-test`; each test has a set of its own, which is ended with it.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS_MAX = 300


class Services:
    def __init__(self, folder: Path):
        self.folder = folder

    def call(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [REPOSITORY / "scripts/services", *arguments],
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"GAMEMESH_SERVICES_DIR": str(self.folder)},
        )

    def __call__(self, *arguments: str) -> str:
        done = self.call(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def up(self, *names: str) -> dict[str, str]:
        return dict(re.findall(r"^export (\w+)=(.*)$", self("up", *names), re.MULTILINE))

    def states(self, name: str) -> set[str]:
        lines = self.call("status", name).stdout.splitlines()
        return {line.split()[1] for line in lines}


@pytest.fixture
def services():
    # PostgreSQL's own user has to reach the folder, which pytest keeps for its user alone.
    folder = Path(tempfile.mkdtemp(prefix="gamemesh-services-test-"))
    folder.chmod(0o755)
    made = Services(folder)
    yield made
    made("down")
    assert not folder.exists()


def psql(url: str, statement: str, *, seconds: int = 30) -> str:
    command = [shutil.which("psql"), url, "--no-align", "--tuples-only", "--command", statement]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
    return done.stdout.strip()


def redis(url: str, *command: str, seconds: int = 30) -> str:
    done = subprocess.run(
        [shutil.which("redis-cli"), "-c", "-u", url, *command],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=True,
    )
    return done.stdout.strip()


def test_postgres_keeps_what_was_committed_through_a_crash(services):
    url = services.up("postgres")["POSTGRES_URL"]
    assert psql(url, "show fsync") == "on"
    assert psql(url, "show server_encoding") == "UTF8"
    assert psql(url, "show max_connections") == "300"
    psql(url, "create table t (x int); insert into t values (7)")
    services("kill", "postgres")
    assert services.states("postgres") == {"down"}
    services("start", "postgres")
    assert psql(url, "select x from t") == "7"
    assert "was not properly shut down" in (services.folder / "postgres/log").read_text()


def test_a_stopped_server_hangs_and_goes_on(services):
    urls = services.up("postgres", "redis")
    services("stop", "postgres", "redis")
    assert services.states("postgres") == services.states("redis") == {"paused"}
    with pytest.raises(subprocess.TimeoutExpired):
        redis(urls["REDIS_URL"], "ping", seconds=1)
    with pytest.raises(subprocess.TimeoutExpired):
        psql(urls["POSTGRES_URL"], "select 1", seconds=1)
    services("cont", "postgres", "redis")
    assert redis(urls["REDIS_URL"], "ping") == "PONG"
    assert psql(urls["POSTGRES_URL"], "select 1") == "1"


def test_the_cluster_fails_over_and_takes_the_node_back(services):
    urls = services.up("redis-cluster")["REDIS_CLUSTER_URL"].split(",")
    assert len(urls) == 6
    assert redis(urls[1], "set", "key", "value") == "OK"
    services("kill", "redis-cluster-1")
    services("start", "redis-cluster-1")
    assert services.states("redis-cluster") == {"running"}
    for url in urls:
        assert "cluster_state:ok" in redis(url, "cluster", "info")


def test_standbys_follow_the_primary_and_one_that_was_killed_comes_back(services):
    variables = services.up("postgres-cluster")
    primary = variables["POSTGRES_PRIMARY_URL"]
    replicas = variables["POSTGRES_REPLICA_URLS"].split(",")
    assert len(replicas) == 3
    assert psql(primary, "select pg_is_in_recovery()") == "f"
    assert {psql(url, "select pg_is_in_recovery()") for url in replicas} == {"t"}
    services("kill", "postgres-cluster-3")
    psql(primary, "create table t (x int); insert into t values (7)")
    services("start", "postgres-cluster-3")
    for url in replicas:
        seen = ""
        deadline = time.monotonic() + SECONDS_MAX
        while seen != "7" and time.monotonic() < deadline:
            # Until the table is replayed, asking for it is an error.
            seen = psql(url, "select coalesce((select 7 where to_regclass('t') is not null), 0)")
            time.sleep(0.1)
        assert psql(url, "select x from t") == "7"


def test_a_server_has_pgvector(services):
    url = services.up("pgvector")["PGVECTOR_URL"]
    psql(url, "create extension vector")
    assert psql(url, "select '[3,4]'::vector <-> '[0,0]'") == "5"


def test_kafka_comes_back_on_its_port(services):
    brokers = services.up("kafka")["KAFKA_BROKERS"]
    services("restart", "kafka")
    assert services("env") == f"export KAFKA_BROKERS={brokers}\n"
    assert services.states("kafka") == {"running"}


def test_up_again_changes_nothing_and_a_dead_service_gets_new_data(services):
    first = services.up("redis")
    assert services.up("redis") == first
    redis(first["REDIS_URL"], "set", "key", "value")
    services("kill", "redis")
    second = services.up("redis")
    assert redis(second["REDIS_URL"], "get", "key") == ""


def test_a_number_taken_by_another_process_is_not_ended(services):
    services.up("redis")
    pid_file = services.folder / "redis/pid"
    pid, start = pid_file.read_text().split()
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text(f"{bystander.pid} {start}")
        assert services.states("redis") == {"down"}
        services("kill", "redis")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
        pid_file.write_text(f"{pid} {start}")


@pytest.mark.parametrize("arguments", [["up", "nothing"], ["kill"], ["up", "redis-cluster-1"]])
def test_a_wrong_call_is_explained(services, arguments):
    done = services.call(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("services: ")
