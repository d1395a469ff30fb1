"""Browsers and scripts that watch: Server-Sent Events, NDJSON and WebSocket."""

import json
import subprocess

import pytest
from websockets.sync.client import connect

from support import curl, tool

SECONDS_MAX = 30


class CurlStream:
    """`curl --no-buffer` on a stream, read line by line."""

    def __init__(self, url: str, accept: str, *arguments: str):
        command = [
            tool("curl"),
            "--silent",
            "--no-buffer",
            "--max-time",
            str(SECONDS_MAX),
        ]
        command += ["--header", f"Accept: {accept}", *arguments, url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()

    def lines(self):
        for line in self.process.stdout:
            yield line.decode().rstrip("\r\n")


def ndjson(stream: CurlStream):
    for line in stream.lines():
        yield json.loads(line)


def sse(stream: CurlStream):
    """The (event, id, message) of an SSE stream."""
    fields = {}
    for line in stream.lines():
        name, _, value = line.partition(":")
        if not line:
            if "data" in fields:
                yield fields.get("event"), fields.get("id"), json.loads(fields["data"])
            fields = {}
        elif name:
            fields[name] = value.removeprefix(" ")


@pytest.fixture
def aggregate(server, open_type, new_id) -> str:
    url = f"{server.url}/api/v1/state/aggregates/{open_type}/{new_id}"
    made = curl(url, method="POST", body={"n": 0})
    assert made.status == 200, made.body
    return url


def set_to(aggregate: str, n: int) -> None:
    assert curl(aggregate, method="PATCH", body={"mergePatch": {"n": n}}).status == 200


def test_ndjson_watch(aggregate):
    with CurlStream(f"{aggregate}:watch", "application/x-ndjson") as stream:
        messages = ndjson(stream)
        assert next(messages)["present"]["state"] == {"n": 0}
        assert "begun" in next(messages)
        set_to(aggregate, 5)
        assert next(messages)["change"]["aggregate"]["state"] == {"n": 5}


def test_ndjson_replay_ends(aggregate):
    set_to(aggregate, 1)
    with CurlStream(f"{aggregate}:replay", "application/x-ndjson") as stream:
        states = [step["aggregate"]["state"]["n"] for step in ndjson(stream)]
    assert states == [0, 1]


def test_sse_watch_resumes_from_the_last_event_id(aggregate):
    with CurlStream(f"{aggregate}:watch", "text/event-stream") as stream:
        messages = sse(stream)
        assert next(messages)[2]["present"]["version"] == "1"
        _, last, begun = next(messages)
        assert "begun" in begun
        assert last
    for n in (1, 2):
        set_to(aggregate, n)
    resume = ("--header", f"Last-Event-ID: {last}")
    with CurlStream(f"{aggregate}:watch", "text/event-stream", *resume) as stream:
        messages = sse(stream)
        found = [next(messages)[2]["change"]["aggregate"]["state"]["n"] for _ in range(2)]
    assert found == [1, 2]


def test_websocket_watch(server, aggregate):
    url = aggregate.replace("http://", "ws://", 1) + ":watch"
    with connect(url, open_timeout=SECONDS_MAX) as socket:
        assert json.loads(socket.recv(SECONDS_MAX))["present"]["version"] == "1"
        assert "begun" in json.loads(socket.recv(SECONDS_MAX))
        set_to(aggregate, 3)
        assert json.loads(socket.recv(SECONDS_MAX))["change"]["event"]["version"] == "2"


def test_websocket_stream_of_updates(server, open_type, new_id, aggregate):
    url = f"ws://{server.address}/api/v1/state/aggregates:streamUpdates"
    count = 50
    update = {
        "type": open_type,
        "id": new_id,
        "operations": {"operations": [{"increment": {"path": "n", "by": 1}}]},
    }
    with connect(url, open_timeout=SECONDS_MAX) as socket:
        for sequence in range(count):
            socket.send(json.dumps({"sequence": sequence, "update": update}))
        answers = [json.loads(socket.recv(SECONDS_MAX)) for _ in range(count)]
    versions = {
        int(answer.get("sequence", 0)): answer["result"]["updated"]["write"]["version"]
        for answer in answers
    }
    assert versions == {sequence: str(sequence + 2) for sequence in range(count)}
    assert curl(aggregate).json()["aggregate"]["state"]["n"] == count
