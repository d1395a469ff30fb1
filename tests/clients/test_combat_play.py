"""Combat over both sub-protocols: from the trigger to the log, resume, replay, refusals."""

import asyncio
import json
import time

import pytest
import websockets

from combat import Player, Rest


@pytest.fixture
def rest(server):
    return Rest(server.url)


async def duel(server, api, rest, *protocols):
    """Two players in a session that is played."""
    session = rest.create(maxPlayers=4, mapId="foundry")
    names = ["ada", "bob"]
    players = [
        await Player(api, protocol).connect(server.address, session, playerId=name, join=True)
        for name, protocol in zip(names, protocols, strict=True)
    ]
    rest.start(session)
    for player in players:
        await player.until(lambda player: player.is_alive() and len(player.entities) == 2)
    return session, players


@pytest.mark.parametrize(
    "protocols",
    [
        ("combat.v1.json", "combat.v1.json"),
        ("combat.v1.proto", "combat.v1.proto"),
        ("combat.v1.json", "combat.v1.proto"),
    ],
)
def test_two_players_shoot_at_each_other(server, api, rest, protocols):
    async def play():
        session, (ada, bob) = await duel(server, api, rest, *protocols)
        await ada.look_at(bob.seat)
        await asyncio.sleep(0.1)
        outcome = await ada.shoot(bob.seat, ack="ACK_CLASS_DURABLE")
        assert outcome["verdict"]["accepted"], outcome
        assert outcome["ack"] == "ACK_CLASS_DURABLE"
        # Both are told of the same shot, in the same place of the order.
        await bob.until(lambda bob: any("fired" in event for event in bob.events))
        await ada.until(lambda ada: any("fired" in event for event in ada.events))
        fired = [next(e for e in player.events if "fired" in e) for player in (ada, bob)]
        assert fired[0]["seq"] == fired[1]["seq"]
        # It is in the log: the replay has it, and it can be explained.
        kinds = [
            kind
            for part in rest.replay(session, "?eventsOnly=true")
            for event in (part.get("frame") or {}).get("events", [])
            for kind in event
        ]
        assert "fired" in kinds
        assert "created" in kinds
        why = rest.ok("GET", f"/sessions/{session}/damage/ada/1")
        assert why["verdict"]["reason"] == outcome["verdict"]["reason"]
        assert {"view_used", "distance"} <= {e["name"] for e in why["verdict"]["evidence"]}
        await ada.socket.close()
        await bob.socket.close()
        return session

    session = asyncio.run(play())
    assert rest.ok("DELETE", f"/sessions/{session}")["status"] == "ended"
    found = rest.ok("POST", f"/sessions/{session}/replay:verify", {})
    assert found["agrees"], found
    assert found["whole"], found
    assert rest.replay(session)[-1]["end"]["whole"]


def test_a_resumed_connection_gets_exactly_what_it_missed(server, api, rest):
    async def play():
        session, (ada, bob) = await duel(server, api, rest, "combat.v1.json", "combat.v1.json")
        await ada.look_at(bob.seat)
        await asyncio.sleep(0.1)
        await ada.shoot(bob.seat)
        await bob.until(lambda bob: any("fired" in event for event in bob.events))
        last = int(bob.events[-1]["seq"])
        await bob.socket.close()
        for _ in range(3):
            await asyncio.sleep(0.15)
            await ada.shoot(bob.seat)
        newest = int(ada.events[-1]["seq"])
        again = Player(api, "combat.v1.json")
        token = bob.welcome["resumeToken"]
        await again.connect(server.address, session, resumeToken=token, lastEventSeq=str(last))
        await again.until(lambda again: again.events and int(again.events[-1]["seq"]) >= newest)
        assert again.welcome["resumed"]
        assert again.welcome["connection"] == 2
        assert [int(e["seq"]) for e in again.events] == list(
            range(last + 1, int(again.events[-1]["seq"]) + 1)
        )
        # A repeated shot has its first answer.
        repeated = await ada.say(shot={"number": "1", **ada.aim(bob.seat)})
        await ada.until(lambda ada: any(r.get("seq") == repeated for r in ada.results))
        assert next(r for r in ada.results if r.get("seq") == repeated)["repeatedCommand"]
        await ada.socket.close()
        await again.socket.close()
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


def test_the_last_connection_wins(server, api, rest):
    async def play():
        session, (ada, bob) = await duel(server, api, rest, "combat.v1.json", "combat.v1.json")
        newer = await Player(api, "combat.v1.json").connect(server.address, session, playerId="ada")
        await newer.until(lambda newer: newer.welcome)
        assert await ada.closed() == 4409
        # The older one's end changes nothing: the newer one plays on.
        await newer.until(lambda newer: newer.is_alive())
        participants = rest.ok("GET", f"/sessions/{session}")["participants"]
        assert [p["playerId"] for p in participants if p["connected"]] == ["ada", "bob"]
        rest.ok("DELETE", f"/sessions/{session}")
        assert await newer.closed() == 4410
        assert await bob.closed() == 4410

    asyncio.run(play())


def test_who_looks_on_sees_and_cannot_act(server, api, rest):
    async def play():
        session, (ada, bob) = await duel(server, api, rest, "combat.v1.json", "combat.v1.json")
        eve = await Player(api, "combat.v1.json").connect(server.address, session, spectate=True)
        await eve.until(lambda eve: len(eve.entities) == 2)
        assert "seat" not in eve.welcome
        await eve.say(shot={"number": "1"})
        await eve.until(lambda eve: eve.fault)
        assert eve.fault["reason"] == "PERMISSION_DENIED"
        await ada.look_at(bob.seat)
        await asyncio.sleep(0.1)
        await ada.shoot(bob.seat)
        await eve.until(lambda eve: any("fired" in event for event in eve.events))
        rest.ok("DELETE", f"/sessions/{session}")
        assert await eve.closed() == 4410

    asyncio.run(play())


def test_a_delayed_session_tells_nobody_sooner(server, api, rest):
    async def play():
        session = rest.create(maxPlayers=2, policy={"spectatorDelayS": 10})
        ada = await Player(api, "combat.v1.json").connect(
            server.address, session, playerId="ada", join=True
        )
        rest.start(session)
        await ada.until(lambda ada: ada.is_alive())
        eve = await Player(api, "combat.v1.json").connect(server.address, session, spectate=True)
        await eve.until(lambda eve: eve.welcome)
        assert eve.welcome["delayS"] == 10
        quiet_until = time.monotonic() + 4
        while time.monotonic() < quiet_until:
            try:
                frame = await eve.hear(1)
            except TimeoutError:
                continue
            assert "snapshot" not in frame, frame
            assert "events" not in frame, frame
        await eve.socket.close()
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


BAD = [
    (b"\x00\x01", "MALFORMED_BODY"),
    ("{", "MALFORMED_BODY"),
    ("[]", "MALFORMED_BODY"),
    ('{"unknown": 1}', "MALFORMED_BODY"),
    ('{"move": {"position": {"x": "NaN"}}}', "MALFORMED_BODY"),
    ('{"move": {"position": {"x": 1e300}}}', "MALFORMED_BODY"),
]


@pytest.mark.parametrize(("frame", "reason"), BAD)
def test_a_bad_frame_is_answered_and_the_session_goes_on(server, api, rest, frame, reason):
    async def play():
        session, (ada, bob) = await duel(server, api, rest, "combat.v1.json", "combat.v1.json")
        await ada.socket.send(frame)
        await ada.until(lambda ada: ada.fault)
        assert ada.fault["reason"] == reason
        tick = bob.tick
        await bob.until(lambda bob: bob.tick > tick + 3)
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


def test_refusals_close_with_their_code(server, api, rest):
    async def code(session, *protocols, **hello):
        player = Player(api, "combat.v1.json")
        await player.connect(server.address, session, *protocols, **hello)
        return await player.closed()

    async def play():
        session = rest.create(maxPlayers=1)
        assert await code("no-such-session", playerId="ada", join=True) == 4404
        assert await code(session, playerId="ada") == 4403
        assert await code(session, resumeToken="AAAA") == 1008
        rest.ok("POST", f"/sessions/{session}/join", {"playerId": "bob"})
        assert await code(session, playerId="ada", join=True) == 1013
        rest.ok("DELETE", f"/sessions/{session}")
        assert await code(session, playerId="bob", join=True) == 4410
        ada = Player(api, "combat.v1.json")
        other = rest.create()
        await ada.connect(server.address, other, playerId="ada", join=True)
        await ada.socket.send(json.dumps({"seq": 1, "hello": {"token": "x" * 5_000}}))
        assert await ada.closed() == 1009
        rest.ok("DELETE", f"/sessions/{other}")

    asyncio.run(play())


def test_without_a_known_sub_protocol_there_is_no_connection(server, rest):
    session = rest.create()

    async def play():
        url = f"ws://{server.address}/api/v1/combat/sessions/{session}/ws"
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url, subprotocols=["other"])
        assert refused.value.response.status_code == 400

    asyncio.run(play())
    rest.ok("DELETE", f"/sessions/{session}")
