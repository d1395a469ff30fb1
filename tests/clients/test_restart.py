"""What a newcomer tries: write, end the server in every way, start it again, and look."""

import threading

import grpc
import pytest

from support import curl, run

KILLS = 5
WRITERS = 4


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_what_was_acknowledged_is_there_after_a_restart(own_server, how):
    running = own_server()
    for n in range(20):
        url = f"{running.url}/api/v1/state/player/p{n}"
        assert curl(url, method="PUT", body={"status": "online", "level": n + 1}).status == 200
    getattr(running, how)()
    running.start()
    for n in range(20):
        player = curl(f"{running.url}/api/v1/state/player/p{n}").json()
        assert (player["level"], player["version"]) == (n + 1, "1")


def test_killed_under_load_nothing_acknowledged_is_lost_or_doubled(own_server, api):
    """Each writer counts up by one; a call that failed is repeated with its key."""
    running = own_server()
    counts = [0] * WRITERS

    def create():
        with grpc.insecure_channel(running.address) as channel:
            stub = api.grpc.StateServiceStub(channel)
            schema = api.schema.TypeSchema(open=True)
            stub.RegisterType(api.messages.RegisterTypeRequest(type="counter", schema=schema))
            for writer in range(WRITERS):
                key = {"type": "counter", "id": str(writer)}
                stub.CreateAggregate(api.messages.CreateAggregateRequest(**key))

    def write(writer, ended):
        with grpc.insecure_channel(running.address) as channel:
            stub = api.grpc.StateServiceStub(channel)
            operation = api.aggregate.Operation(increment={"path": "n", "by": 1})
            while not ended.is_set():
                request = api.messages.UpdateAggregateRequest(
                    type="counter",
                    id=str(writer),
                    operations=api.aggregate.Operations(operations=[operation]),
                    idempotency_key=f"{writer}-{counts[writer]}",
                )
                try:
                    stub.UpdateAggregate(request, timeout=10)
                except grpc.RpcError:
                    return
                counts[writer] += 1

    create()
    for _ in range(KILLS):
        ended = threading.Event()
        writers = [threading.Thread(target=write, args=(n, ended)) for n in range(WRITERS)]
        before = sum(counts)
        for writer in writers:
            writer.start()
        while sum(counts) < before + 50:
            ended.wait(0.01)
        running.kill()
        ended.set()
        for writer in writers:
            writer.join()
        running.start()

    with grpc.insecure_channel(running.address) as channel:
        stub = api.grpc.StateServiceStub(channel)
        for writer, acknowledged in enumerate(counts):
            request = api.messages.GetAggregateRequest(type="counter", id=str(writer))
            aggregate = stub.GetAggregate(request).aggregate
            # The last call before a kill may have been written without an answer; its repetition
            # counted once. Only the very last may stand unrepeated.
            assert aggregate.state["n"] - acknowledged in (0, 1)
            assert aggregate.version == aggregate.state["n"] + 1


def test_a_watch_goes_on_after_a_kill(own_server, api):
    running = own_server()
    url = f"{running.url}/api/v1/state/player/p"
    body = {"status": "online", "level": 1}
    curl(url, method="PUT", body=body)
    with grpc.insecure_channel(running.address) as channel:
        request = api.messages.WatchAggregatesRequest(type="player", id="p")
        watch = api.grpc.StateServiceStub(channel).WatchAggregates(request, timeout=30)
        token = next(message.resume_token for message in watch if message.HasField("begun"))
        watch.cancel()
    curl(url, method="PUT", body=body | {"level": 2})
    running.kill()
    running.start()
    url = f"{running.url}/api/v1/state/player/p"
    curl(url, method="PUT", body=body | {"level": 3})
    with grpc.insecure_channel(running.address) as channel:
        request.resume_token = token
        watch = api.grpc.StateServiceStub(channel).WatchAggregates(request, timeout=30)
        changes = (message.change for message in watch if message.HasField("change"))
        seen = [next(changes).aggregate for _ in range(2)]
        watch.cancel()
    assert [(found.version, found.state["level"]) for found in seen] == [(2, 2), (3, 3)]


def test_a_second_server_on_the_same_file_is_refused(own_server, binary):
    running = own_server()
    url = f"{running.url}/api/v1/state/player/p"
    curl(url, method="PUT", body={"status": "online", "level": 5})
    store = f"sqlite://{running.folder}/gamemesh.db"
    second = run(
        *(binary, "serve", "--http-addr", "127.0.0.1:0", "--database-url", store),
        text=True,
        cwd=running.folder,
    )
    assert second.returncode != 0
    assert "gamemesh.db" in second.stderr
    assert curl(url).json()["level"] == 5
