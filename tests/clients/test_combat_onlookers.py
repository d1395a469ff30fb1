"""Who looks on: how many may, what is seen of what flies, and every event once."""

import asyncio
import json
import math
import shutil
import time

import pytest
import requests

from combat import Player, Rest, alone
from support import REPOSITORY

CONTENT = REPOSITORY / "services" / "combat" / "content"


@pytest.fixture
def rest(server):
    return Rest(server.url)


def reason(answer) -> str:
    return answer.json()["details"][0]["reason"]


def shots_fired(rest, session: str, count: int) -> None:
    """Two players by REST, and shots of the first."""
    path = f"/sessions/{session}"
    for player in ("ada", "bob"):
        rest.ok("POST", f"{path}/join", {"playerId": player})
    rest.start(session)
    for number in range(1, count + 1):
        shot = {"playerId": "ada", "shot": {"number": str(number)}}
        assert rest.ok("POST", f"{path}/damage", shot)["verdict"]["accepted"]
        time.sleep(0.11)


def watched(rest, session: str, query: str, newest: int) -> list[dict]:
    """Frames up to the one that has the newest event."""
    answer = requests.get(
        f"{rest.root}/sessions/{session}/watch{query}",
        headers={"accept": "application/x-ndjson"},
        stream=True,
        timeout=20,
    )
    assert answer.status_code == 200, answer.text
    seen = []
    with answer:
        for line in answer.iter_lines():
            seen.append(json.loads(line)["frame"])
            if int(seen[-1].get("eventSeq", 0)) >= newest:
                return seen
    return seen


def numbers(frames: list[dict]) -> list[int]:
    return [int(event["seq"]) for frame in frames for event in frame.get("events", [])]


def test_a_watch_goes_on_after_the_last_event_that_was_seen(rest):
    session = rest.create(maxPlayers=2, mapId="foundry")
    shots_fired(rest, session, 5)
    newest = int(rest.ok("GET", f"/sessions/{session}")["eventSeq"])
    assert newest >= 9
    for last in (1, 4, newest - 1):
        frames = watched(rest, session, f"?lastEventSeq={last}", newest)
        assert numbers(frames) == list(range(last + 1, newest + 1)), last
        assert not any(frame.get("eventsSkipped") for frame in frames)
    # A number of another session's future: a whole picture stands for everything.
    frames = watched(rest, session, f"?lastEventSeq={newest + 1_000}", newest)
    assert frames[0]["eventsSkipped"]
    assert "baseline" not in frames[0]["snapshot"]
    # Only what concerns one player, of what was missed too.
    frames = watched(rest, session, "?lastEventSeq=1&followPlayerId=bob", newest)
    kinds = {kind for frame in frames for event in frame.get("events", []) for kind in event}
    assert "fired" not in kinds
    assert "spawned" in kinds
    rest.ok("DELETE", f"/sessions/{session}")


def test_a_spectators_socket_goes_on_after_the_last_event_that_was_seen(server, api, rest):
    async def play():
        session = rest.create(maxPlayers=2, mapId="foundry")
        shots_fired(rest, session, 3)
        newest = int(rest.ok("GET", f"/sessions/{session}")["eventSeq"])
        eve = await Player(api, "combat.v1.json").connect(
            server.address, session, spectate=True, lastEventSeq="2"
        )
        await eve.until(lambda eve: eve.events and int(eve.events[-1]["seq"]) >= newest)
        assert numbers(eve.frames) == list(range(3, newest + 1))
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


def test_what_flies_is_seen_where_it_is(server, api, rest):
    async def play():
        session, ada = await alone(api, server, rest)
        await ada.say(equip={"weapon": "grenade"})
        # Upwards, towards the middle of the map.
        yaw = math.atan2(-ada.position["y"], -ada.position["x"]) / math.tau * 65_536
        up = {"yaw": round(yaw) % 65_536, "pitch": 5_461}
        await ada.say(move={"position": ada.position, "correctionAck": ada.correction, **up})
        await asyncio.sleep(0.6)
        await ada.until(lambda ada, tick=ada.tick: ada.tick > tick + 15)
        shot = {"number": "1", "viewTickQ8": str(ada.tick * 256), **up}
        await ada.say(shot=shot)
        await ada.until(lambda ada: any("fired" in event for event in ada.events))

        def flown(ada) -> list[dict]:
            pictures = [frame.get("snapshot", {}) for frame in ada.frames]
            return [p["position"] for s in pictures for p in s.get("projectiles", [])]

        await ada.until(lambda ada: len(flown(ada)) > 48)
        places = [{"x": 0, "y": 0, "z": 0} | place for place in flown(ada)]
        heights = [place["z"] for place in places]
        top = heights.index(max(heights))
        # It rises, falls, and goes away from him.
        assert 3 < top < len(heights) - 3, heights
        assert heights[0] < max(heights) - 1_024 > heights[-1], heights
        assert math.dist(*((place["x"], place["y"]) for place in (places[0], places[-1]))) > 3_072
        await ada.socket.close()
        rest.ok("DELETE", f"/sessions/{session}")
        replayed = [
            {"x": 0, "y": 0, "z": 0} | projectile["position"]
            for part in rest.replay(session, "?framesHz=30")
            for projectile in ((part.get("frame") or {}).get("snapshot") or {}).get(
                "projectiles", []
            )
        ]
        # The replay has every tick, and so every place that he was shown.
        assert all(place in replayed for place in places), (places[:3], replayed[:3])

    asyncio.run(play())


@pytest.fixture
def ruled(own_server, tmp_path):
    """A server whose content has other rules for those who look on."""

    def start(rule: str):
        content = tmp_path / "content"
        shutil.copytree(CONTENT, content)
        with (content / "rules.toml").open("a") as rules:
            rules.write(f"\n{rule}\n")
        return own_server("--combat-content", str(content))

    return start


def test_no_more_look_on_than_the_rules_allow(ruled, api):
    server = ruled("spectators_max = 1")
    rest = Rest(server.url)

    async def play():
        session = rest.create(maxPlayers=2)
        rest.ok("POST", f"/sessions/{session}/spectate", {})
        eve = await Player(api, "combat.v1.json").connect(server.address, session, spectate=True)
        await eve.until(lambda eve: eve.welcome)
        fay = await Player(api, "combat.v1.json").connect(server.address, session, spectate=True)
        assert await fay.closed() == 1013
        assert fay.fault["reason"] == "SESSION_FULL"
        assert reason(rest.call("POST", f"/sessions/{session}/spectate", {})) == "SESSION_FULL"
        assert reason(rest.call("GET", f"/sessions/{session}/watch")) == "SESSION_FULL"
        # Who plays needs no such place, and one that was given up is free.
        ada = await Player(api, "combat.v1.json").connect(
            server.address, session, playerId="ada", join=True
        )
        await ada.until(lambda ada: ada.welcome)
        await eve.socket.close()
        deadline = time.monotonic() + 10
        while rest.ok("GET", f"/sessions/{session}")["spectators"] and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        gus = await Player(api, "combat.v1.json").connect(server.address, session, spectate=True)
        await gus.until(lambda gus: gus.welcome)

    asyncio.run(play())
    assert server.stop() == 0


def test_nobody_looks_on_where_the_rules_forbid_it(ruled, api):
    server = ruled("spectators_allowed = false")
    rest = Rest(server.url)

    async def play():
        session = rest.create(maxPlayers=2)
        eve = await Player(api, "combat.v1.json").connect(server.address, session, spectate=True)
        assert await eve.closed() == 4403
        assert eve.fault["reason"] == "PERMISSION_DENIED"
        for method, what in (("POST", "spectate"), ("GET", "watch")):
            answer = rest.call(method, f"/sessions/{session}/{what}", {})
            assert reason(answer) == "PERMISSION_DENIED", what

    asyncio.run(play())
    assert server.stop() == 0


def test_a_shot_that_names_only_its_target_is_aimed_at_it(field, api):
    rest = Rest(field.url)
    session = rest.create(maxPlayers=2, mapId="field")
    path = f"/sessions/{session}"
    for player in ("ada", "bob"):
        rest.ok("POST", f"{path}/join", {"playerId": player})
    rest.start(session)
    hits = 0
    for number in range(1, 9):
        shot = {"playerId": "ada", "shot": {"number": str(number), "claimedTargetId": "bob"}}
        verdict = rest.ok("POST", f"{path}/damage", shot)["verdict"]
        assert verdict["accepted"], verdict
        hits += verdict.get("hit", {}).get("targetId") == "bob"
        time.sleep(0.11)
    assert hits >= 4
    # Whom there is not, nobody aims at; and a direction that was given counts.
    for named in ({"claimedTargetId": "nobody"}, {"claimedTargetId": "bob", "pitch": 9_000}):
        number += 1
        shot = {"playerId": "ada", "shot": {"number": str(number), **named}}
        missed = rest.ok("POST", f"{path}/damage", shot)["verdict"]
        assert "hit" not in missed, missed
        time.sleep(0.11)
    rest.ok("DELETE", path)


def test_why_a_seat_was_given_up_is_told(server, api, rest):
    async def play():
        session = rest.create(maxPlayers=8, policy={"idleGraceS": 2})
        players = {}
        for name in ("ada", "bob", "cid", "eve"):
            players[name] = await Player(api, "combat.v1.json").connect(
                server.address, session, playerId=name, join=True
            )
            await players[name].until(lambda player: player.welcome)
        await players["ada"].say(leave={})
        assert await players["ada"].closed() == 1000
        rest.ok("POST", f"/sessions/{session}/leave", {"playerId": "bob"})
        await players["cid"].socket.close()
        eve = players["eve"]

        def told(eve) -> dict:
            left = [event["left"] for event in eve.events if "left" in event]
            return {each["playerId"]: each["reason"] for each in left}

        await eve.until(lambda eve: len(told(eve)) == 3)
        assert told(eve) == {"ada": "left", "bob": "kicked", "cid": "timeout"}
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())
