"""schemathesis: requests made from the OpenAPI document, good and bad, for every operation.

Bounded in examples and time. What is left out, and why, stands in OUT.
"""

import json
import re

import pytest

from support import curl, run, tool

# The paths of each service, and examples for each of its operations.
SERVICES = {"state": 15, "combat": 3, "match-stats": 3, "memory": 3}
SECONDS_MAX = 400

STREAMS = ":watch$|/watch$|:streamUpdates$|events:(channel|stream)$|/game-server$|/replay$"

# The paths that it means: a new stream is added here on purpose.
LEFT_OUT = [
    "/api/v1/combat/game-server",
    "/api/v1/combat/sessions/{sessionId}/replay",
    "/api/v1/combat/sessions/{sessionId}/watch",
    "/api/v1/match-stats/events:channel",
    "/api/v1/match-stats/events:stream",
    "/api/v1/match-stats/matches/{matchId}:watch",
    "/api/v1/memory/collections/{collectionId}/reflections:watch",
    "/api/v1/memory/entities:watch",
    "/api/v1/state/aggregates/{type}/{id}:watch",
    "/api/v1/state/aggregates/{type}:watch",
    "/api/v1/state/aggregates:streamUpdates",
    "/api/v1/state/aggregates:watch",
]

# Operations and checks that say nothing about this API.
OUT = {
    # A watch or a channel is a stream that never ends by itself, and a replay keeps its pace; the
    # tests of streams cover them.
    "--exclude-path-regex": STREAMS,
    # - positive_data_acceptance: a request can fit the schema and break a rule that an OpenAPI 3.0
    #   schema of protobuf does not say: a oneof given twice, a type that is not registered, a token
    #   of one's own making, bounds.
    # - negative_data_rejection: the JSON of protobuf is laxer than the schema: an enum may come as
    #   a number, and null stands for an absent field.
    "--exclude-checks": "positive_data_acceptance,negative_data_rejection",
}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.timeout(SECONDS_MAX + 60)
def test_no_request_finds_a_fault(own_server, tmp_path, service):
    # Of its own: among its requests are some that change registered types.
    server = own_server()
    command = [tool("schemathesis"), "run", f"{server.url}/openapi.json"]
    command += ["--checks", "all", "--max-examples", SERVICES[service], "--seed", "7"]
    # One worker: in several threads, the parser of Python 3.11 miscounts its depth and fails.
    command += ["--phases", "examples,coverage,fuzzing", "--workers", "1", "--no-color"]
    command += [
        "--generation-database",
        "none",
        "--warnings",
        "off",
        "--suppress-health-check",
        "all",
    ]
    command += ["--include-path-regex", f"^/api/v1/{service}/"]
    command += ["--report", "ndjson", "--report-dir", tmp_path]
    for option, value in OUT.items():
        command += [option, value]
    done = run(*command, text=True, cwd=tmp_path, timeout=SECONDS_MAX)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert curl(f"{server.url}/ready").status == 200
    assert "panicked" not in server.log()


def test_the_run_reaches_every_operation(server):
    """The exclusions above leave out streams, and nothing else."""
    document = json.loads(curl(f"{server.url}/openapi.json").body)
    covered = [path for path in document["paths"] if not re.search(STREAMS, path)]
    for service, least in {"state": 15, "combat": 10, "match-stats": 10, "memory": 20}.items():
        of_service = [path for path in covered if path.startswith(f"/api/v1/{service}/")]
        assert len(of_service) >= least, service
    assert sorted(set(document["paths"]) - set(covered)) == LEFT_OUT
