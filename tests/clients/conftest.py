"""The server and the clients that the tests of this folder share."""

import os
import shutil
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest

from support import REPOSITORY, Server, make_stubs

FIELD = """
id = "field"
name = "Field"
bounds = { min = [-20, -20, 0], max = [20, 20, 20] }

[[spawns]]
position = [-5, 0, 0]
yaw_deg = 0

[[spawns]]
position = [5, 0, 0]
yaw_deg = 180
"""


@pytest.fixture(scope="session")
def binary() -> Path:
    path = REPOSITORY / os.environ.get("GAMEMESH_BIN", "target/debug/gamemesh")
    assert path.is_file(), f"{path} is missing: cargo build -p gamemesh, or set GAMEMESH_BIN"
    return path


@pytest.fixture(scope="session")
def server(binary, tmp_path_factory):
    """One server on its embedded default, for all tests that do not break it."""
    running = Server(binary, tmp_path_factory.mktemp("server")).start()
    yield running
    assert running.process.poll() is None, f"the server has died:\n{running.log()[-4000:]}"
    assert running.stop() == 0, running.log()[-4000:]
    assert "panicked" not in running.log()


@pytest.fixture(scope="session")
def field(binary, tmp_path_factory):
    """A server whose content has one more map: a field on which two players see each other."""
    folder = tmp_path_factory.mktemp("field")
    content = folder / "content"
    shutil.copytree(REPOSITORY / "services" / "combat" / "content", content)
    (content / "maps" / "field.toml").write_text(FIELD)
    running = Server(binary, folder, "--combat-content", str(content)).start()
    yield running
    assert running.stop() == 0, running.log()[-4000:]


@pytest.fixture
def own_server(binary, tmp_path):
    """Makes servers that belong to one test: call it with flags and environment."""
    started = []

    def start(*flags: str, **environment: str) -> Server:
        folder = tmp_path / f"server-{len(started)}"
        folder.mkdir()
        running = Server(binary, folder, *flags, **environment)
        started.append(running)
        return running.start()

    yield start
    for running in started:
        if running.process.poll() is None:
            running.kill()


@pytest.fixture(scope="session")
def api(tmp_path_factory):
    """The modules that protoc makes from the contracts."""
    target = tmp_path_factory.mktemp("stubs")
    make_stubs(target)
    sys.path.insert(0, str(target))
    from gamemesh.combat.v1 import combat_service_pb2_grpc, frame_pb2
    from gamemesh.combat.v1 import messages_pb2 as combat_messages_pb2
    from gamemesh.common.v1 import read_pb2
    from gamemesh.state.v1 import (
        aggregate_pb2,
        messages_pb2,
        player_pb2,
        schema_pb2,
        state_service_pb2_grpc,
    )

    return SimpleNamespace(
        combat_frame=frame_pb2,
        combat_grpc=combat_service_pb2_grpc,
        combat_messages=combat_messages_pb2,
        read=read_pb2,
        aggregate=aggregate_pb2,
        messages=messages_pb2,
        player=player_pb2,
        schema=schema_pb2,
        grpc=state_service_pb2_grpc,
    )


@pytest.fixture(scope="session")
def channel(server):
    with grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.fixture(scope="session")
def state(api, channel):
    """The generated client of the state service."""
    return api.grpc.StateServiceStub(channel)


@pytest.fixture(scope="session")
def open_type(api, state) -> str:
    """A registered type that takes any state."""
    name = "client_test"
    schema = api.schema.TypeSchema(description="Of the client tests.", open=True)
    state.RegisterType(api.messages.RegisterTypeRequest(type=name, schema=schema))
    return name


@pytest.fixture
def new_id() -> str:
    return f"it-{uuid.uuid4()}"
