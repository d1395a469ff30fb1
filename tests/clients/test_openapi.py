"""The OpenAPI document is valid, and a client that a stock generator makes from it works."""

import asyncio
import importlib
import pkgutil
import re
import sys

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from support import curl, run, tool


@pytest.fixture(scope="session")
def document(server) -> dict:
    answer = curl(f"{server.url}/openapi.json")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    return answer.json()


def test_the_document_is_valid(document):
    assert document["openapi"] == "3.0.3"
    OpenAPIV30SpecValidator(document).validate()


def test_every_operation_is_described(document):
    operations = [
        (path, verb, operation)
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
        if isinstance(operation, dict)
    ]
    assert len(operations) >= 25
    for path, verb, operation in operations:
        assert operation.get("summary") or operation.get("description"), (verb, path)
    names = [operation["operationId"] for _, _, operation in operations]
    assert len(names) == len(set(names))


@pytest.fixture(scope="session")
def generated(server, document, tmp_path_factory):
    """The package that openapi-python-client writes."""
    target = tmp_path_factory.mktemp("generated")
    command = [tool("openapi-python-client"), "generate", "--url", f"{server.url}/openapi.json"]
    command += ["--meta", "none", "--output-path", target / "gamemesh_rest"]
    # The generator calls ruff, which lies beside it.
    path = f"{tool('openapi-python-client').rpartition('/')[0]}:/usr/bin:/bin"
    done = run(*command, text=True, env={"PATH": path}, timeout=100)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    # It knows no request that is a stream, and says so; it must understand all others.
    unknown = re.findall(r"^WARNING parsing (.*) within", said, re.MULTILINE)
    assert sorted(unknown) == [
        "POST /api/v1/combat/game-server",
        "POST /api/v1/match-stats/events:channel",
        "POST /api/v1/match-stats/events:stream",
        "POST /api/v1/state/aggregates:streamUpdates",
    ], said
    sys.path.insert(0, str(target))
    return importlib.import_module("gamemesh_rest")


def plain(name: str) -> str:
    """StateService_GetPlayer and state_service_get_player are one name."""
    return name.replace("_", "").lower()


def call_module(document, verb: str, path: str):
    """The module that the generator makes for an operation."""
    import gamemesh_rest.api as api

    wanted = document["paths"][path][verb]["operationId"]
    for module in pkgutil.walk_packages(api.__path__, "gamemesh_rest.api."):
        if plain(module.name.rpartition(".")[2]) == plain(wanted):
            return importlib.import_module(module.name)
    raise AssertionError(f"the generated client has no operation {wanted}")


def test_the_generated_client_writes_and_reads(server, document, generated, new_id):
    from gamemesh_rest.models import GamemeshStateV1PlayerState as PlayerState

    client = generated.Client(base_url=server.url)
    path = "/api/v1/state/player/{playerId}"
    put = call_module(document, "put", path)
    get = call_module(document, "get", path)
    body = PlayerState.from_dict({"status": "online", "level": 9, "experience": "12"})
    written = put.sync_detailed(new_id, client=client, body=body)
    assert written.status_code == 200, written.content
    read = get.sync(new_id, client=client)
    assert (read.player_id, read.level, read.experience) == (new_id, 9, "12")
    again = asyncio.run(get.asyncio(new_id, client=client))
    assert again == read


def test_the_generated_client_sees_an_error(server, document, generated):
    client = generated.Client(base_url=server.url)
    get = call_module(document, "get", "/api/v1/state/player/{playerId}")
    answer = get.sync_detailed("nobody", client=client)
    assert answer.status_code == 404
    assert answer.parsed.code == 5
