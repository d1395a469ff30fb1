"""Debugging without the contracts at hand: grpcurl and buf curl through reflection."""

import json

import pytest

from support import run, tool

SERVICE = "gamemesh.state.v1.StateService"


def grpcurl(server, *arguments: str, flags: tuple = ()) -> str:
    command = [tool("grpcurl"), "-plaintext", *flags, server.address, *arguments]
    done = run(*command, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def buf_curl(server, *arguments: str) -> str:
    command = [tool("buf"), "curl", "--http2-prior-knowledge", *arguments]
    done = run(*command, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_grpcurl_lists_the_services(server):
    listed = grpcurl(server, "list").split()
    assert {SERVICE, "grpc.health.v1.Health"} <= set(listed)


def test_grpcurl_describes_a_method_and_a_message(server):
    assert "GetPlayerRequest" in grpcurl(server, "describe", f"{SERVICE}.GetPlayer")
    described = grpcurl(server, "describe", "gamemesh.state.v1.PlayerState")
    assert "double position_x = 6" in described


def test_grpcurl_writes_and_reads(server, new_id):
    put = {"playerId": new_id, "player": {"status": "online", "level": 4}}
    grpcurl(server, f"{SERVICE}/PutPlayer", flags=("-d", json.dumps(put)))
    get = json.dumps({"playerId": new_id})
    answer = json.loads(grpcurl(server, f"{SERVICE}/GetPlayer", flags=("-d", get)))
    assert (answer["player"]["level"], answer["player"]["version"]) == (4, "1")


def test_grpcurl_shows_the_details_of_an_error(server):
    command = [tool("grpcurl"), "-plaintext", "-d", '{"playerId": "nobody"}']
    command += [server.address, f"{SERVICE}/GetPlayer"]
    done = run(*command, text=True)
    assert done.returncode != 0
    assert "NotFound" in done.stderr
    assert "google.rpc.ErrorInfo" in done.stderr


def test_grpcurl_asks_for_health(server):
    asked = json.dumps({"service": SERVICE})
    answer = grpcurl(server, "grpc.health.v1.Health/Check", flags=("-d", asked))
    assert json.loads(answer) == {"status": "SERVING"}


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
def test_both_versions_of_reflection_answer(server, version):
    reflection = ("--protocol", "grpc", "--reflect", "--reflect-protocol", version)
    listed = buf_curl(server, "--list-methods", *reflection, server.url)
    assert f"{SERVICE}/WatchAggregates" in listed.split()
    url = f"{server.url}/{SERVICE}/GetType"
    answer = buf_curl(server, *reflection, "-d", '{"type": "player"}', url)
    assert json.loads(answer)["schema"]["type"] == "player"
