"""The process ends between the steps of a store: text is never lost, rows and index agree."""

import os
import sqlite3

import pytest
import requests

from mesh import Backends

API = "/api/v1/memory"

# Stores before the one that the process does not survive, in the short form.
BEFORE = 5
ROUNDS = int(os.environ.get("GAMEMESH_FAULT_ROUNDS", "1"))

# Where a store may end, in the order of its steps: before the transaction, within it, before it is
# durable, right after, and before the caller is told.
POINTS = {
    "sqlite": [
        "memory.before_store",
        "sqlite.mid_memory",
        "sqlite.before_commit",
        "sqlite.after_commit",
        "memory.after_store",
    ],
    "postgres": [
        "memory.before_store",
        "postgres.mid_memory",
        "postgres.before_memory_commit",
        "postgres.after_memory_commit",
        "memory.after_store",
    ],
}
ALL = [(store, point) for store, points in POINTS.items() for point in points]


@pytest.fixture(scope="module")
def postgres():
    """The address of a PostgreSQL that is this module's."""
    backends = Backends("postgres")
    yield backends.urls["POSTGRES_URL"]
    backends.down()


def call(server, method, path, body=None):
    answer = requests.request(method, server.url + path, json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def body(number):
    vector = [1.0 + number, 2.0, (number % 7) - 3.0]
    content = {"text": f"memory {number} of the mill", "vector": vector}
    return {"content": content, "idempotencyKey": f"k{number}"}


def known(server, npc):
    """What each way of asking knows: the rows, the words and the vectors."""
    asked = {"topK": 1000, "withoutAccess": True}
    listed, token = [], ""
    while True:
        query = f"?pageSize=100&pageToken={token}"
        page = call(server, "GET", f"{npc}/memories{query}")
        listed += [memory["content"]["text"] for memory in page.get("memories", [])]
        token = page.get("nextPageToken", "")
        if not token:
            break
    by_words = call(server, "POST", f"{npc}:recall", asked | {"text": "mill", "wordsOnly": True})
    by_vector = call(
        server, "POST", f"{npc}:recall", asked | {"vector": [1, 1, 1], "explain": True}
    )
    texts = [
        sorted(one["memory"]["content"]["text"] for one in answer.get("memories", []))
        for answer in (by_words, by_vector)
    ]
    assert all("similarity" in one["explanation"] for one in by_vector.get("memories", []))
    return [sorted(listed), *texts]


@pytest.mark.parametrize(("store", "point"), ALL)
def test_a_store_is_whole_wherever_the_process_ends(own_server, request, store, point):
    environment = {}
    if store == "postgres":
        environment["DATABASE_URL"] = request.getfixturevalue("postgres")
    # The tests of one PostgreSQL have a collection each.
    collection = f"{API}/collections/npcs-{POINTS[store].index(point)}"
    npc = f"{collection}/npcs/klaus"
    server = own_server(**environment)
    call(server, "PUT", collection, {"dimension": 3, "model": {"name": "test"}})
    told, number = [], 0
    for round_ in range(ROUNDS):
        assert server.stop() == 0
        server.environment["GAMEMESH_FAULT"] = f"{point}:{BEFORE + round_}"
        server.start()
        while True:
            number += 1
            try:
                call(server, "POST", f"{npc}/memories", body(number))
            except requests.ConnectionError:
                break
            told.append(f"memory {number} of the mill")
            assert len(told) < 1000, f"{point} is never passed"
        server.process.wait(timeout=20)
        del server.environment["GAMEMESH_FAULT"]
        server.start()
        rows, by_words, by_vector = known(server, npc)
        assert rows == by_words == by_vector
        # What was told is there; of the one that was cut off nobody knows.
        assert set(told) <= set(rows) <= {*told, f"memory {number} of the mill"}
        # Told again, it is there once.
        call(server, "POST", f"{npc}/memories", body(number))
        told.append(f"memory {number} of the mill")
        assert known(server, npc) == [sorted(told)] * 3


def test_rows_of_entities_move_with_their_cursor(own_server):
    server = own_server()
    assert server.stop() == 0
    server.environment["GAMEMESH_FAULT"] = "sqlite.mid_projection:3"
    server.start()
    told = {}
    for number in range(1000):
        entity = {"type": "chest", "data": {"n": number}}
        try:
            call(server, "PUT", f"{API}/entities/e{number % 5}", entity)
        except requests.ConnectionError:
            break
        told[f"e{number % 5}"] = number
    server.process.wait(timeout=20)
    del server.environment["GAMEMESH_FAULT"]
    server.start()
    listed = call(server, "GET", f"{API}/entities?type=chest")["entities"]
    for entity in listed:
        assert entity["data"]["n"] >= told[entity["entityId"]]
    assert {entity["entityId"] for entity in listed} >= set(told)
    assert server.stop() == 0
    with sqlite3.connect(server.folder / "gamemesh-memory.db") as database:
        rows = dict(database.execute("select id, json_extract(data, '$.n') from entities"))
    assert rows == {entity["entityId"]: entity["data"]["n"] for entity in listed}
