"""Scripts with curl: REST and JSON from the same contracts, ETags, conditions, keys, errors."""

import pytest

from support import curl

PLAYER = {
    "status": "online",
    "level": 7,
    "experience": "9007199254740991",
    "health": 55.5,
    "inventory": {"gold": 250},
}


@pytest.fixture
def player(server, new_id) -> str:
    return f"{server.url}/api/v1/state/player/{new_id}"


@pytest.fixture
def aggregate(server, open_type, new_id) -> str:
    """The URL of an aggregate that exists at version 1."""
    url = f"{server.url}/api/v1/state/aggregates/{open_type}/{new_id}"
    made = curl(url, method="POST", body={"gold": 10, "tags": ["a"]})
    assert made.status == 200, made.body
    return url


def test_put_and_get(player, new_id):
    put = curl(player, method="PUT", body=PLAYER)
    assert put.status == 200, put.body
    assert put.headers["etag"] == '"1"'
    assert put.headers["content-type"].startswith("application/json")
    got = curl(player)
    assert got.headers["etag"] == '"1"'
    assert got.headers["x-state-version"] == "1"
    assert got.headers["x-state-token"]
    body = got.json()
    assert body["playerId"] == new_id
    assert body["version"] == "1"
    assert body["lastUpdated"].endswith("Z")
    assert {name: body[name] for name in PLAYER} == PLAYER


def test_both_spellings_of_a_field_are_read(player):
    put = curl(player, method="PUT", body=PLAYER | {"position_x": 1.5, "positionY": 2.5})
    assert (put.json()["positionX"], put.json()["positionY"]) == (1.5, 2.5)


def test_update_mask_as_a_query_parameter(player):
    curl(player, method="PUT", body=PLAYER)
    put = curl(
        f"{player}?updateMask=health,inventory.wood",
        method="PUT",
        body={"health": 1, "inventory": {"gold": 0, "wood": 3}},
    )
    body = put.json()
    assert (body["health"], body["level"]) == (1, 7)
    assert body["inventory"] == {"gold": 250, "wood": 3}


def test_if_match_makes_a_write_conditional(player):
    curl(player, method="PUT", body=PLAYER)
    right = curl(player, "-H", 'If-Match: "1"', method="PUT", body=PLAYER | {"level": 8})
    assert (right.status, right.headers["etag"]) == (200, '"2"')
    stale = curl(player, "-H", 'If-Match: "1"', method="PUT", body=PLAYER | {"level": 9})
    assert (stale.status, stale.json()["code"]) == (409, 10)
    facts = stale.detail("google.rpc.ErrorInfo")
    assert facts["reason"] == "VERSION_CONFLICT"
    assert facts["metadata"] | {"expectedVersion": "1", "actualVersion": "2"} == facts["metadata"]
    assert curl(player).json()["level"] == 8


def test_if_match_star_needs_a_player_and_version_zero_none(player):
    missing = curl(player, "-H", "If-Match: *", method="PUT", body=PLAYER)
    assert missing.status in (404, 409), missing.body
    first = curl(f"{player}?expectedVersion=0", method="PUT", body=PLAYER)
    assert first.status == 200
    second = curl(f"{player}?expectedVersion=0", method="PUT", body=PLAYER)
    assert second.status == 409


def test_an_idempotency_key_makes_a_retry_one_write(aggregate):
    change = {"operations": {"operations": [{"increment": {"path": "gold", "by": 5}}]}}
    key = ("-H", f"Idempotency-Key: {aggregate}")
    first = curl(aggregate, *key, method="PATCH", body=change).json()
    again = curl(aggregate, *key, method="PATCH", body=change).json()
    assert (first["write"]["version"], again["write"]["version"]) == ("2", "2")
    assert again["write"]["repeatedWrite"] is True
    assert curl(aggregate).json()["aggregate"]["state"]["gold"] == 15
    other = curl(aggregate, *key, method="PATCH", body={"mergePatch": {"gold": 0}})
    assert (other.status, other.reason) == (400, "IDEMPOTENCY_KEY_REUSED")


def test_patch_history_diff_and_rollback(aggregate):
    patched = curl(aggregate, method="PATCH", body={"mergePatch": {"gold": None, "iron": 1}})
    assert patched.json()["aggregate"]["state"] == {"tags": ["a"], "iron": 1}
    past = curl(f"{aggregate}?version=1&includeEvents=true").json()
    assert past["aggregate"]["state"] == {"gold": 10, "tags": ["a"]}
    assert [event["kind"] for event in past["events"]] == ["created"]
    at = curl(f"{aggregate}?atTime={patched.json()['write']['time']}").json()
    assert at["aggregate"]["version"] == "2"
    differences = curl(f"{aggregate}/diff?from=1&to=2").json()["differences"]
    assert [(found["path"], found["kind"]) for found in differences] == [
        ("gold", "KIND_REMOVED"),
        ("iron", "KIND_ADDED"),
    ]
    back = curl(f"{aggregate}:rollback", method="POST", body={"toVersion": "1"}).json()
    assert (back["aggregate"]["version"], back["aggregate"]["state"]["gold"]) == (
        "3",
        10,
    )
    events = curl(f"{aggregate}/events?limit=2&descending=true").json()
    assert [event["version"] for event in events["events"]] == ["3", "2"]
    rest = curl(f"{aggregate}/events?limit=2&descending=true&pageToken={events['nextPageToken']}")
    assert [event["version"] for event in rest.json()["events"]] == ["1"]


def test_own_events_are_appended(aggregate):
    body = {"events": [{"kind": "quest.done", "data": {"boss": "dragon"}}]}
    assert curl(f"{aggregate}/events", method="POST", body=body).json()["firstVersion"] == "2"
    assert curl(f"{aggregate}/events").json()["events"][1]["data"] == {"boss": "dragon"}


def test_a_transaction_is_all_or_nothing(server, open_type, aggregate, new_id):
    def part(id_, by):
        operation = {"increment": {"path": "gold", "by": by, "min": 0}}
        return {"type": open_type, "id": id_, "operations": {"operations": [operation]}}

    url = f"{server.url}/api/v1/state/transactions"
    curl(f"{aggregate}-2", method="POST", body={"gold": 0})
    done = curl(url, method="POST", body={"parts": [part(new_id, -4), part(f"{new_id}-2", 4)]})
    assert [write["version"] for write in done.json()["writes"]] == ["2", "2"]
    refused = curl(url, method="POST", body={"parts": [part(f"{new_id}-2", 9), part(new_id, -9)]})
    assert (refused.status, refused.json()["code"]) == (400, 9)
    assert curl(f"{aggregate}-2").json()["aggregate"]["state"]["gold"] == 4


def test_delete(aggregate):
    deleted = curl(aggregate, "-H", 'If-Match: "1"', method="DELETE")
    assert (deleted.status, deleted.json()["write"]["version"]) == (200, "2")
    assert (curl(aggregate).status, curl(aggregate).reason) == (404, "NOT_FOUND")


def test_list_with_filter_and_pages(server, aggregate, open_type):
    url = f"{server.url}/api/v1/state/aggregates/{open_type}"
    for n in range(3):
        curl(f"{aggregate}-list-{n}", method="POST", body={"mark": aggregate, "n": n})
    page = curl(url, "--get", "--data-urlencode", f'filter=mark = "{aggregate}" AND n >= 1').json()
    assert [found["state"]["n"] for found in page["aggregates"]] == [1, 2]


def test_analytics_counts_what_was_written(server, aggregate):
    answer = curl(f"{server.url}/api/v1/state/analytics").json()
    assert int(answer["eventsByKind"]["created"]) >= 1
    assert int(answer["writes"]["count"]) >= 1


def test_correlation_id_is_answered(player):
    answer = curl(player, "-H", "X-Correlation-Id: raid-42")
    assert answer.headers["x-correlation-id"] == "raid-42"
    assert curl(player).headers["x-correlation-id"]


@pytest.mark.parametrize("id_", ["%D7%A9%D7%9C%D7%95%D7%9D", "%F0%9F%90%89", "a%20b", "a%2Fb"])
def test_ids_of_every_script(server, id_):
    url = f"{server.url}/api/v1/state/player/{id_}"
    assert curl(url, method="PUT", body=PLAYER).status == 200
    assert curl(url).status == 200


# name: (method, path, arguments of curl, HTTP status, reason)
JSON = ("-H", "Content-Type: application/json")
BAD = {
    "unknown path": ("GET", "/api/v1/nothing", (), 404, "UNKNOWN_PATH"),
    "not even an API path": ("GET", "/nothing", (), 404, "UNKNOWN_PATH"),
    "wrong method": ("DELETE", "/api/v1/state/player/x", (), 405, "METHOD_NOT_ALLOWED"),
    "missing player": ("GET", "/api/v1/state/player/nobody", (), 404, "NOT_FOUND"),
    "NUL in an id": ("GET", "/api/v1/state/player/a%00b", (), 400, "INVALID_ARGUMENT"),
    "4 KiB id": (
        "GET",
        f"/api/v1/state/player/{'x' * 4096}",
        (),
        400,
        "INVALID_ARGUMENT",
    ),
    "unknown type": ("GET", "/api/v1/state/aggregates/nope/x", (), 400, "UNKNOWN_TYPE"),
    "text as a version": (
        "GET",
        "/api/v1/state/aggregates/player/x?version=new",
        (),
        400,
        None,
    ),
    "2^63 as a version": (
        "GET",
        "/api/v1/state/aggregates/player/x?version=9223372036854775808",
        (),
        400,
        None,
    ),
    "unknown query parameter": (
        "GET",
        "/api/v1/state/player/x?colour=red",
        (),
        400,
        None,
    ),
    "huge page": (
        "GET",
        "/api/v1/state/aggregates/player?pageSize=1000000000",
        (),
        400,
        None,
    ),
    "not JSON": (
        "PUT",
        "/api/v1/state/player/x",
        (*JSON, "-d", "{"),
        400,
        "MALFORMED_BODY",
    ),
    "unknown field": (
        "PUT",
        "/api/v1/state/player/x",
        (*JSON, "-d", '{"wings": 2}'),
        400,
        "MALFORMED_BODY",
    ),
    "duplicate key": (
        "PUT",
        "/api/v1/state/player/x",
        (*JSON, "-d", '{"level": 1, "level": 2}'),
        400,
        "MALFORMED_BODY",
    ),
    "overflowing integer": (
        "PUT",
        "/api/v1/state/player/x",
        (*JSON, "-d", '{"level": 4294967296}'),
        400,
        "INVALID_ARGUMENT",
    ),
    "deep nesting": (
        "PUT",
        "/api/v1/state/player/x",
        (*JSON, "-d", '{"inventory":' * 1000 + "{}" + "}" * 1000),
        400,
        "MALFORMED_BODY",
    ),
    "wrong content type": (
        "PUT",
        "/api/v1/state/player/x",
        ("-H", "Content-Type: text/xml", "-d", "<a/>"),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    "condition that is none": (
        "PUT",
        "/api/v1/state/player/x",
        (*JSON, "-H", "If-Match: tomorrow", "-d", "{}"),
        400,
        "INVALID_ARGUMENT",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_request(server, name):
    method, path, arguments, status, reason = BAD[name]
    answer = curl(f"{server.url}{path}", *arguments, method=method)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json()["message"]
    if reason:
        assert answer.reason == reason, answer.body


def test_a_wrong_method_is_told_the_right_ones(server):
    answer = curl(f"{server.url}/api/v1/state/player/x", method="DELETE")
    allowed = {method.strip() for method in answer.headers["allow"].split(",")}
    assert {"GET", "PUT"} <= allowed


def test_too_large_a_body_is_refused(server, tmp_path, player):
    large = tmp_path / "large.json"
    large.write_text('{"status": "' + "x" * 10_000_000 + '"}')
    answer = curl(player, *JSON, "--data-binary", f"@{large}", method="PUT")
    assert (answer.status, answer.reason) == (413, "PAYLOAD_TOO_LARGE")
    assert curl(player).status == 404
