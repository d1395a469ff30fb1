"""Memory as its users meet it: REST and grpcurl against the real binary."""

import json

import pytest
import requests

from support import run, tool

API = "/api/v1/memory"


@pytest.fixture(scope="module")
def collection(server):
    body = {"dimension": 3, "model": {"name": "test"}, "filterable": ["mood"]}
    answer = requests.put(f"http://{server.address}{API}/collections/npcs", json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    return "npcs"


def call(server, method, path, body=None, status=200):
    url = f"http://{server.address}{API}{path}"
    answer = requests.request(method, url, json=body, timeout=10)
    assert answer.status_code == status, answer.text
    return answer.json()


def store(server, collection, npc, text, **content):
    path = f"/collections/{collection}/npcs/{npc}/memories"
    return call(server, "POST", path, {"content": {"text": text, **content}})["memory"]


def test_what_is_stored_is_recalled_with_reasons(server, collection, new_id):
    for text in ["the dragon burned the mill", "the merchant sells apples"]:
        store(server, collection, new_id, text, importance=7)
    asked = {"text": "who burned the mill?", "topK": 1, "explain": True}
    answer = call(server, "POST", f"/collections/{collection}/npcs/{new_id}:recall", asked)
    (first,) = answer["memories"]
    assert first["memory"]["content"]["text"] == "the dragon burned the mill"
    why = first["explanation"]
    terms = [why[name]["weighted"] for name in ("relevance", "recency", "importance")]
    assert sum(terms) == pytest.approx(first["score"])


def test_nobody_recalls_what_is_private(server, collection, new_id):
    memory = store(server, collection, new_id, "my secret")
    path = f"/collections/{collection}/npcs/{new_id}-other/memories/{memory['memoryId']}"
    assert call(server, "GET", path, status=404)["code"] == 5


def test_an_unknown_filter_is_refused(server, collection, new_id):
    asked = {"text": "x", "topK": 3, "filter": {"filter": "metadata.colour = 1"}}
    path = f"/collections/{collection}/npcs/{new_id}:recall"
    refused = call(server, "POST", path, asked, status=400)
    assert "colour" in refused["message"]


def test_entities_compare_and_set(server, new_id):
    made = call(server, "PUT", f"/entities/{new_id}", {"type": "chest", "data": {"gold": 5}})
    assert made["version"] == "1"
    patch = {"patch": {"gold": 3}, "expectedVersion": 1}
    assert call(server, "PATCH", f"/entities/{new_id}", patch)["data"] == {"gold": 3}
    call(server, "PATCH", f"/entities/{new_id}", patch, status=409)
    assert call(server, "GET", f"/entities/{new_id}?version=1")["data"] == {"gold": 5}


def test_a_plot_moves_once(server, new_id):
    states = [{"name": "offered", "next": ["done"]}, {"name": "done"}]
    declared = {"initial": "offered", "states": states}
    call(server, "PUT", f"/narrative/{new_id}/declaration", declared)
    path = f"/narrative/{new_id}:advance"
    assert call(server, "POST", path, {"stage": "done"})["moved"] is True
    assert call(server, "POST", path, {"stage": "done"})["moved"] is False
    refused = call(server, "POST", path, {"stage": "offered"}, status=400)
    assert "the end" in refused["message"]


def test_history_goes_by_pages(server, new_id):
    entries = [{"action": f"a{n}", "time": f"2026-01-{n + 1:02}T00:00:00Z"} for n in range(9)]
    call(server, "POST", f"/history/{new_id}", {"entries": entries})
    seen, token = [], ""
    while True:
        page = call(server, "GET", f"/history/{new_id}?pageSize=4&pageToken={token}")
        seen += [entry["action"] for entry in page["entries"]]
        token = page["nextPageToken"]
        if not token:
            break
    assert seen == [f"a{n}" for n in reversed(range(9))]


def test_grpcurl_stores_and_recalls(server, collection, new_id):
    def grpcurl(method, request):
        command = [tool("grpcurl"), "-plaintext", "-d", json.dumps(request), server.address]
        done = run(*command, f"gamemesh.memory.v1.MemoryService/{method}", text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    about = {"collectionId": collection, "npcId": new_id}
    grpcurl("StoreMemory", {**about, "content": {"text": "the bell rang", "vector": [1, 2, 3]}})
    answer = grpcurl("Recall", {**about, "vector": [1, 2, 3], "topK": 5, "explain": True})
    assert answer["memories"][0]["explanation"]["similarity"] == pytest.approx(1)


def test_the_command_line_imports_and_exports(binary, server, collection, new_id, tmp_path):
    lines = [json.dumps({"npcId": new_id, "content": {"text": f"line {n}"}}) for n in range(5)]
    lines.insert(2, "not json")
    source = tmp_path / "in.ndjson"
    source.write_text("\n".join(lines), encoding="utf-8")
    url = f"http://{server.address}"
    done = run(binary, "--json", "memory", "--url", url, "import", collection, source, text=True)
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"stored": 5, "repeated": 0, "refused": 1}
    assert json.loads(done.stdout.splitlines()[0])["line"] == 3
    target = tmp_path / "out.ndjson"
    done = run(
        binary, "memory", "--url", url, "export", collection, new_id, "-o", target, text=True
    )
    assert done.returncode == 0, done.stderr
    texts = [json.loads(line)["content"]["text"] for line in target.read_text().splitlines()]
    assert sorted(texts) == [f"line {n}" for n in range(5)]
