"""gRPC-Web, as a browser's library speaks it: frames over HTTP/1.1, trailers in the body."""

import base64
import json
import struct

import pytest
import requests

from support import REPOSITORY, run, tool

SERVICE = "gamemesh.state.v1.StateService"
TRAILERS = 0x80


def frame(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def parse(body: bytes) -> tuple[list[bytes], dict]:
    """The messages and the trailers of an answer."""
    messages, trailers = [], {}
    while body:
        flags, length = struct.unpack(">BI", body[:5])
        content, body = body[5 : 5 + length], body[5 + length :]
        if flags & TRAILERS:
            for line in content.decode().strip().split("\r\n"):
                name, _, value = line.partition(":")
                trailers[name.strip().lower()] = value.strip()
        else:
            messages.append(content)
    return messages, trailers


def split_base64(text: bytes) -> bytes:
    """grpc-web-text may pad in the middle, where one flush ended."""
    return b"".join(base64.b64decode(text[at : at + 4]) for at in range(0, len(text), 4))


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_a_hand_made_call(server, api, text):
    content_type = "application/grpc-web-text" if text else "application/grpc-web+proto"
    request = frame(api.messages.GetTypeRequest(type="player").SerializeToString())
    answer = requests.post(
        f"{server.url}/{SERVICE}/GetType",
        data=base64.b64encode(request) if text else request,
        headers={
            "Content-Type": content_type,
            "Accept": content_type,
            "X-Grpc-Web": "1",
            "Origin": "https://game.example",
        },
        timeout=30,
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/grpc-web")
    messages, trailers = parse(split_base64(answer.content) if text else answer.content)
    assert trailers["grpc-status"] == "0"
    (message,) = messages
    schema = api.messages.GetTypeResponse.FromString(message).schema
    assert (schema.type, schema.builtin) == ("player", True)


def test_an_error_reaches_the_browser(server, api):
    request = frame(api.messages.GetPlayerRequest(player_id="nobody").SerializeToString())
    answer = requests.post(
        f"{server.url}/{SERVICE}/GetPlayer",
        data=request,
        headers={"Content-Type": "application/grpc-web+proto", "X-Grpc-Web": "1"},
        timeout=30,
    )
    _, trailers = parse(answer.content)
    status = trailers.get("grpc-status") or answer.headers.get("grpc-status")
    assert status == "5"


def test_a_browser_may_ask_before_it_calls(server):
    answer = requests.options(
        f"{server.url}/{SERVICE}/GetPlayer",
        headers={
            "Origin": "https://game.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,x-grpc-web",
        },
        timeout=30,
    )
    assert answer.ok
    assert answer.headers["access-control-allow-origin"] in (
        "*",
        "https://game.example",
    )
    assert "x-grpc-web" in answer.headers["access-control-allow-headers"].lower()


def test_buf_speaks_grpc_web(server):
    command = [tool("buf"), "curl", "--protocol", "grpcweb", "--schema", "proto"]
    command += ["-d", '{"type": "guild"}', f"{server.url}/{SERVICE}/GetType"]
    done = run(*command, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"]["type"] == "guild"
