"""schemathesis: requests made from the OpenAPI document, good and bad, for every operation.

Bounded in examples and time. What is left out, and why, stands in OUT.
"""

import json
import re

import pytest

from support import curl, run, tool

EXAMPLES_MAX = 15
SECONDS_MAX = 400

# Operations and checks that say nothing about this API.
OUT = {
    # A watch is a stream that never ends by itself; test_streams.py covers it.
    "--exclude-path-regex": ":watch$|:streamUpdates$",
    # - unsupported_method: a template such as /aggregates/{type}/{id} overlaps with others, whose
    #   verbs schemathesis takes for ones that should be refused.
    # - positive_data_acceptance: a request can fit the schema and break a rule that a schema cannot
    #   say: a version that lies in the future, a type that is not registered.
    # - negative_data_rejection: the JSON of protobuf is laxer than a schema: numbers may come as
    #   text, and null stands for an absent field.
    # - use_after_free, ensure_resource_availability: a deleted aggregate may be created again by
    #   any other request of the same run.
    "--exclude-checks": "unsupported_method,positive_data_acceptance,negative_data_rejection,"
    "use_after_free,ensure_resource_availability",
}


@pytest.mark.timeout(SECONDS_MAX + 60)
def test_no_request_finds_a_fault(server, tmp_path):
    command = [tool("schemathesis"), "run", f"{server.url}/openapi.json"]
    command += ["--checks", "all", "--max-examples", EXAMPLES_MAX, "--seed", "7"]
    command += ["--phases", "examples,coverage,fuzzing", "--workers", "2", "--no-color"]
    command += ["--generation-database", "none", "--suppress-health-check", "all"]
    command += ["--report", "ndjson", "--report-dir", tmp_path]
    for option, value in OUT.items():
        command += [option, value]
    done = run(*command, text=True, cwd=tmp_path, timeout=SECONDS_MAX)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert curl(f"{server.url}/ready").status == 200


def test_the_run_reaches_every_operation(server):
    """The exclusions above leave out streams, and nothing else."""
    document = json.loads(curl(f"{server.url}/openapi.json").body)
    left_out = [path for path in document["paths"] if re.search(OUT["--exclude-path-regex"], path)]
    assert all(path.endswith((":watch", ":streamUpdates")) for path in left_out)
    assert len(document["paths"]) - len(left_out) >= 15
