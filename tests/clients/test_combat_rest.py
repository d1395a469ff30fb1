"""Combat by REST: sessions and their life, joining, shots and actions one call at a time, lists."""

import json
import time
import uuid

import pytest

from combat import Rest
from support import run, tool


@pytest.fixture
def rest(server):
    return Rest(server.url)


def test_a_session_is_created_once(rest):
    key = str(uuid.uuid4())
    first = rest.ok("POST", "/sessions", {"name": "one"}, **{"idempotency-key": key})
    again = rest.ok("POST", "/sessions", {"name": "one"}, **{"idempotency-key": key})
    assert first["sessionId"] == again["sessionId"]
    other = rest.call("POST", "/sessions", {"name": "two"}, **{"idempotency-key": key})
    assert other.json()["details"][0]["reason"] == "IDEMPOTENCY_KEY_REUSED"
    taken = rest.call("POST", "/sessions", {"sessionId": first["sessionId"]})
    assert taken.json()["details"][0]["reason"] == "ALREADY_EXISTS"


def test_an_illegal_step_names_the_status(rest):
    session = rest.create()
    path = f"/sessions/{session}"
    refused = rest.call("PUT", path, {"status": "paused"})
    assert refused.status_code == 400
    info = refused.json()["details"][0]
    assert info["reason"] == "ILLEGAL_TRANSITION"
    assert info["metadata"]["status"] == "waiting"
    for status in ["active", "paused", "active", "ended"]:
        assert rest.ok("PUT", path, {"status": status})["status"] == status
    over = rest.call("PUT", path, {"status": "active"}).json()["details"][0]
    assert over["reason"] == "SESSION_ENDED"


def test_why_a_session_is_over_is_said_everywhere(own_server):
    server = own_server()
    rest = Rest(server.url)
    waiting, told, played, asked = (rest.create() for _ in range(4))
    rest.start(told)
    rest.start(played)
    rest.ok("DELETE", f"/sessions/{waiting}")
    rest.ok("PUT", f"/sessions/{told}", {"status": "aborted", "reason": "the map is broken"})
    rest.ok("PUT", f"/sessions/{played}", {"status": "ended", "reason": "not aborted"})
    rest.ok("PUT", f"/sessions/{asked}", {"status": "aborted"})
    expected = {
        waiting: ("aborted", "asked"),
        told: ("aborted", "the map is broken"),
        played: ("ended", "asked"),
        asked: ("aborted", "asked"),
    }

    def check(rest: Rest) -> None:
        for session, (status, why) in expected.items():
            shown = rest.ok("GET", f"/sessions/{session}")
            assert (shown["status"], shown["endReason"]) == (status, why)
            parts = rest.replay(session, "?eventsOnly=true&kinds=status")
            frames = [part.get("frame") or {} for part in parts]
            last = [event["status"] for frame in frames for event in frame.get("events", [])][-1]
            assert (last["to"], last["reason"]) == (status, why)
        # The table follows by moments.
        deadline = time.monotonic() + 30
        listed = {}
        while not expected.keys() <= listed.keys():
            assert time.monotonic() < deadline
            found = rest.ok("GET", "/sessions?status=aborted").get("sessions", [])
            found += rest.ok("GET", "/sessions?status=ended").get("sessions", [])
            listed = {s["sessionId"]: (s["status"], s["endReason"]) for s in found}
        assert listed == expected

    check(rest)
    # From the log, too.
    server.kill()
    check(Rest(server.start().url))


def test_seats_are_taken_once_and_counted(rest):
    session = rest.create(maxPlayers=2)
    path = f"/sessions/{session}"
    joined = rest.ok("POST", f"{path}/join", {"playerId": "ada"})
    assert joined["participant"]["playerId"] == "ada"
    assert joined["resumeToken"]
    for _ in range(20):
        again = rest.ok("POST", f"{path}/join", {"playerId": "ada"})
        assert again["repeatedWrite"]
    rest.ok("POST", f"{path}/join", {"playerId": "bob"})
    full = rest.call("POST", f"{path}/join", {"playerId": "cid"}).json()["details"][0]
    assert full["reason"] == "SESSION_FULL"
    rest.ok("POST", f"{path}/leave", {"playerId": "bob"})
    rest.ok("POST", f"{path}/join", {"playerId": "cid"})


def test_a_shot_and_an_action_by_rest(rest):
    session = rest.create(maxPlayers=2, mapId="foundry")
    path = f"/sessions/{session}"
    for player in ["ada", "bob"]:
        rest.ok("POST", f"{path}/join", {"playerId": player})
    rest.start(session)
    shot = {"playerId": "ada", "shot": {"number": "1", "ack": "ACK_CLASS_DURABLE"}}
    first = rest.ok("POST", f"{path}/damage", shot)
    assert first["verdict"]["kind"] == "shot"
    assert first["ack"] == "ACK_CLASS_DURABLE"
    again = rest.ok("POST", f"{path}/damage", shot)
    assert again["repeatedWrite"]
    assert again["verdict"]["reason"] == first["verdict"]["reason"]
    far = rest.ok("POST", f"{path}/damage", {"playerId": "ada", "shot": {"number": "900"}})
    assert far["verdict"]["reason"] == "SEQUENCE"
    act = {"playerId": "ada", "action": {"number": "1", "action": "barrier"}}
    assert rest.ok("POST", f"{path}/actions", act)["verdict"]["accepted"]
    act["action"]["number"] = "2"
    refused = rest.ok("POST", f"{path}/actions", act)["verdict"]
    assert refused["reason"] == "COOLDOWN"
    assert refused["readyAtTick"] > 0
    act["action"] = {"number": "3", "action": "no-such-action"}
    assert rest.ok("POST", f"{path}/actions", act)["verdict"]["reason"] == "UNKNOWN_ACTION"
    move = {"playerId": "ada", "move": {"position": {"x": 3_000_000}}}
    answer = rest.ok("POST", f"{path}/position", move)
    assert answer["correction"]["correctionId"] >= 1
    far = {"playerId": "ada", "move": {"position": {"x": 2**31}}}
    assert rest.call("POST", f"{path}/position", far).status_code == 400
    state = rest.ok("GET", f"{path}/state")
    assert len(state["snapshot"]["entities"]) == 2
    assert state["stateHash"]
    stats = rest.ok("GET", f"{path}/stats")
    assert {player["playerId"] for player in stats["players"]} == {"ada", "bob"}
    assert (
        rest.call("POST", f"{path}/damage", {"playerId": "eve", "shot": {"number": "1"}}).json()[
            "details"
        ][0]["reason"]
        == "NOT_JOINED"
    )


def test_sessions_are_listed_by_status_map_mode_and_player(rest):
    player = f"lister-{uuid.uuid4()}"
    made = [rest.create(mapId="foundry", gameMode="rounds") for _ in range(5)]
    for session in made:
        rest.ok("POST", f"/sessions/{session}/join", {"playerId": player})
    query = f"/sessions?playerId={player}&status=waiting&mapId=foundry&gameMode=rounds&pageSize=2"
    deadline = time.monotonic() + 10
    found: list[str] = []
    while len(found) < 5 and time.monotonic() < deadline:
        found, token = [], ""
        while True:
            page = rest.ok("GET", f"{query}&pageToken={token}")
            found += [session["sessionId"] for session in page["sessions"]]
            token = page["nextPageToken"]
            if not token:
                break
        time.sleep(0.1)
    assert found == made[::-1]
    token = rest.ok("GET", query)["nextPageToken"]
    other = rest.call("GET", f"/sessions?status=active&pageToken={token}").json()
    assert other["details"][0]["reason"] == "TOKEN_MISMATCH"


def test_bad_requests_are_typed(rest):
    session = rest.create()
    table = [
        ("POST", "/sessions", {"maxPlayers": 129}, "INVALID_ARGUMENT"),
        ("POST", "/sessions", {"mapId": "nowhere"}, "INVALID_ARGUMENT"),
        ("POST", "/sessions", {"gameMode": "chess"}, "INVALID_ARGUMENT"),
        ("POST", "/sessions", {"policy": {"tickHz": 9}}, "INVALID_ARGUMENT"),
        ("POST", "/sessions", {"policy": {"spectatorDelayS": 11}}, "INVALID_ARGUMENT"),
        ("GET", "/sessions/none", None, "NOT_FOUND"),
        ("GET", "/sessions/a%20b", None, "INVALID_ARGUMENT"),
        ("GET", "/sessions?status=asleep", None, "INVALID_ARGUMENT"),
        ("GET", "/sessions/none/replay", None, "NOT_FOUND"),
        ("GET", f"/sessions/{session}/replay?speed=9", None, "INVALID_ARGUMENT"),
        ("POST", f"/sessions/{session}/join", {"playerId": "a\u0000"}, "INVALID_ARGUMENT"),
        ("POST", f"/sessions/{session}/damage", {"playerId": "a"}, "INVALID_ARGUMENT"),
        ("GET", f"/sessions/{session}/damage/a/1", None, "NOT_FOUND"),
    ]
    for method, path, body, reason in table:
        answer = rest.call(method, path, body)
        assert answer.json()["details"][0]["reason"] == reason, (method, path, answer.text)


def test_grpcurl_drives_every_rpc(server, rest):
    session = rest.create(maxPlayers=2)
    service = "gamemesh.combat.v1.CombatService"
    here = {"session_id": session}
    seated = here | {"player_id": "ada"}
    calls = [
        ("ListSessions", {}),
        ("CreateSession", {"name": "by grpcurl"}),
        ("GetSession", here),
        ("JoinSession", seated),
        ("UpdateSession", here | {"status": "active"}),
        ("ApplyDamage", seated | {"shot": {"number": 1}}),
        ("PerformAction", seated | {"action": {"number": 1, "action": "dash"}}),
        ("UpdatePosition", seated | {"move": {"position": {}}}),
        ("GetSessionState", here),
        ("SpectateSession", here),
        ("GetSessionStats", here),
        ("GetPlayerStats", {"player_id": "ada"}),
        ("ExplainDamage", seated | {"shot": 1}),
        ("LeaveSession", seated),
        ("EndSession", here),
        ("ReplaySession", here),
        ("VerifyReplay", here),
        ("WatchSession", here),
        ("GameServer", here | {"command_id": 7, "join": {}, "player_id": "bob"}),
    ]
    listed = run(tool("grpcurl"), "-plaintext", server.address, "list", service)
    names = {line.split(".")[-1] for line in listed.stdout.decode().split()}
    assert names == {name for name, _ in calls}
    for name, request in calls:
        command = [tool("grpcurl"), "-plaintext", "-max-time", "10", "-d", json.dumps(request)]
        done = run(*command, server.address, f"{service}/{name}")
        assert done.returncode == 0, (name, done.stderr)
