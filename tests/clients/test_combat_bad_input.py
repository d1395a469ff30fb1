"""What players and strangers send that they should not: an answer each, and the session goes on."""

import asyncio
import json
import os
import random
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest

from combat import Player, Rest

FOREVER = 2**63


@pytest.fixture
def rest(server):
    return Rest(server.url)


def reason(answer) -> str:
    return answer.json()["details"][0]["reason"]


async def seated(server, api, session, *names, protocol="combat.v1.json"):
    players = [
        await Player(api, protocol).connect(server.address, session, playerId=name, join=True)
        for name in names
    ]
    for player in players:
        await player.until(lambda player: player.welcome)
    return players


async def playing(server, api, rest, *names, protocol="combat.v1.json", **fields):
    """A session that is played, and its players on the map."""
    session = rest.create(**{"maxPlayers": 8, "mapId": "foundry", **fields})
    players = await seated(server, api, session, *names, protocol=protocol)
    rest.start(session)
    for player in players:
        await player.until(lambda player: player.is_alive() and len(player.entities) == len(names))
    return session, players


async def unharmed(rest, session, witness):
    """The session goes on for who did nothing, and its log is judged the same again."""
    tick = witness.tick
    await witness.until(lambda witness: witness.tick > tick + 3)
    rest.ok("DELETE", f"/sessions/{session}")
    found = rest.ok("POST", f"/sessions/{session}/replay:verify", {})
    assert found["agrees"], found


async def verdict(player, **message) -> dict:
    seq = await player.say(**message)
    await player.until(lambda player: any(r.get("seq") == seq for r in player.results))
    return next(r for r in player.results if r.get("seq") == seq)["verdict"]


async def shot(player, seat, **fields) -> dict:
    await player.look_at(seat)
    return (await player.shoot(seat, **fields))["verdict"]


# Frames.


@pytest.mark.parametrize("protocol", ["combat.v1.json", "combat.v1.proto"])
def test_frames_that_cannot_be_read_are_borne_five_times(server, api, rest, protocol):
    async def play():
        session, (ada, bob) = await playing(server, api, rest, "ada", "bob", protocol=protocol)
        dice = random.Random(7)
        for _ in range(6):
            junk = bytes([0x0F]) + dice.randbytes(40)
            await ada.socket.send(junk if protocol.endswith("proto") else junk.hex())
        assert await ada.closed() == 1008
        faults = [frame["fault"]["reason"] for frame in ada.frames if "fault" in frame]
        assert faults[0] == "MALFORMED_BODY"
        await unharmed(rest, session, bob)

    asyncio.run(play())


@pytest.mark.parametrize("protocol", ["combat.v1.json", "combat.v1.proto"])
def test_truncated_frames_are_told_and_whole_ones_go_on(server, api, rest, protocol):
    async def play():
        session, (ada, bob) = await playing(server, api, rest, "ada", "bob", protocol=protocol)
        message = {"seq": 9, "shot": {"number": "1", "viewTickQ8": "256", "yaw": 99, "pitch": -5}}
        if protocol.endswith("json"):
            whole = json.dumps(message)
            cuts = [whole[:end] for end in (3, 20, len(whole) - 2)]
        else:
            whole = api.combat_frame.ClientFrame(
                seq=9, shot=api.combat_frame.Shot(number=1, view_tick_q8=256, yaw=99, pitch=-5)
            ).SerializeToString()
            cuts = [whole[:end] for end in (3, len(whole) - 3, len(whole) - 1)]
        for cut in cuts:
            ada.fault = {}
            await ada.socket.send(cut)
            await ada.until(lambda ada: ada.fault)
            assert ada.fault["reason"] == "MALFORMED_BODY"
        assert (await shot(ada, bob.seat))["kind"] == "shot"
        await unharmed(rest, session, bob)

    asyncio.run(play())


def test_text_on_the_binary_protocol_is_told(server, api, rest):
    async def play():
        session, (ada, bob) = await playing(
            server, api, rest, "ada", "bob", protocol="combat.v1.proto"
        )
        await ada.socket.send('{"seq": 1, "ping": {}}')
        await ada.until(lambda ada: ada.fault)
        assert ada.fault["reason"] == "MALFORMED_BODY"
        assert "binary" in ada.fault["message"]
        await unharmed(rest, session, bob)

    asyncio.run(play())


def test_fragments_that_are_too_large_together_close_with_1009(server, api, rest):
    async def play():
        session, (ada, bob) = await playing(server, api, rest, "ada", "bob")
        await ada.socket.send(iter(["x" * 1_024] * 5))
        assert await ada.closed() == 1009
        await unharmed(rest, session, bob)

    asyncio.run(play())


def masked(payload: bytes, opcode: int = 1) -> bytes:
    """A frame as a client sends it."""
    assert len(payload) < 65_536
    mask = os.urandom(4)
    length = (
        bytes([0x80 | len(payload)])
        if len(payload) < 126
        else bytes([0x80 | 126]) + struct.pack(">H", len(payload))
    )
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([0x80 | opcode]) + length + mask + body


def test_one_byte_at_a_time_is_as_good_as_at_once(server, rest):
    async def play():
        session = rest.create(maxPlayers=2)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        handshake = (
            f"GET /api/v1/combat/sessions/{session}/ws HTTP/1.1\r\nHost: {server.address}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Protocol: combat.v1.json\r\n\r\n"
        )
        hello = json.dumps({"seq": 1, "hello": {"playerId": "slow", "join": True}})
        for byte in handshake.encode() + masked(hello.encode()):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.001)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert b'"welcome"' in await asyncio.wait_for(reader.readuntil(b'"welcome"'), 10)
        writer.close()
        assert rest.ok("GET", f"/sessions/{session}")["participants"][0]["playerId"] == "slow"
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


def test_frames_out_of_order_count_for_nothing(server, api, rest):
    async def play():
        session, (ada, bob) = await playing(server, api, rest, "ada", "bob")
        await ada.look_at(bob.seat)
        position = ada.position
        for clock in ("9000000", "8000000", "0", "9000000"):
            frame = {"seq": 1, "clientTimeUs": clock, "move": {"position": position}}
            await ada.socket.send(json.dumps(frame | {"snapshotAck": 4_000_000_000}))
        # A number that goes back changes nothing of what was judged.
        assert (await shot(ada, bob.seat))["kind"] == "shot"
        state = rest.ok("GET", f"/sessions/{session}/state")
        place = state["snapshot"]["entities"][ada.seat]["position"]
        assert {"x": 0, "y": 0, "z": 0} | place == position
        await unharmed(rest, session, bob)

    asyncio.run(play())


PLACE = '{"seq": 5, "move": {"position": {"x": ?}}}'
BODY = '{"playerId": "ada", "move": {"position": {"y": ?}}}'
NUMBERS = ["NaN", "Infinity", "-Infinity", '"NaN"', '"Infinity"', "1e300", "3000000000", "1.5"]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_that_are_no_place(server, api, rest, number):
    async def play():
        session, (ada, bob) = await playing(server, api, rest, "ada", "bob")
        await ada.socket.send(PLACE.replace("?", number))
        await ada.until(lambda ada: ada.fault)
        assert ada.fault["reason"] == "MALFORMED_BODY"
        body = BODY.replace("?", number)
        answer = rest.raw("POST", f"/sessions/{session}/position", body)
        assert answer.status_code == 400, answer.text
        await unharmed(rest, session, bob)

    asyncio.run(play())


def test_places_beyond_the_world_are_refused_before_any_arithmetic(server, api, rest):
    async def play():
        session, (ada, bob) = await playing(
            server, api, rest, "ada", "bob", protocol="combat.v1.proto"
        )
        for far in (2**31 - 1, -(2**31), 2**30):
            assert (await verdict(ada, move={"position": {"x": far}}))["reason"] == "MALFORMED"
        assert (await verdict(ada, move={}))["reason"] == "MALFORMED"
        assert (await verdict(ada, move={"position": {}, "yaw": 65_536}))["reason"] == "MALFORMED"
        assert (await verdict(ada, move={"position": {}, "pitch": 16_385}))["reason"] == "MALFORMED"
        odd = await verdict(ada, move={"position": {}, "pose": "lying"})
        assert odd["reason"] == "MALFORMED"
        await unharmed(rest, session, bob)

    asyncio.run(play())


# Damage.


def test_the_dead_are_not_hurt_again(field, api):
    rest = Rest(field.url)

    async def play():
        policy = {"respawnMs": 600_000}
        session, (ada, bob) = await playing(
            field, api, rest, "ada", "bob", mapId="field", policy=policy
        )
        lethal = None
        for _ in range(40):
            hurt = await shot(ada, bob.seat)
            if hurt.get("hit", {}).get("lethal"):
                lethal = hurt
                break
            await asyncio.sleep(0.11)
            await ada.until(lambda ada, tick=ada.tick: ada.tick > tick)
        assert lethal, ada.results[-1]
        await bob.until(lambda bob: not bob.is_alive())
        # Not sooner than the weapon fires.
        await asyncio.sleep(0.15)
        after = await shot(ada, bob.seat)
        assert after["reason"] == "MISS", after
        # And the dead do nothing.
        await bob.until(lambda bob, tick=bob.tick: bob.tick > tick + 10)
        late = await verdict(bob, shot={"number": "1", "viewTickQ8": str(bob.tick * 256)})
        assert late["reason"] == "DEAD", late
        action = {"number": "1", "action": "barrier"}
        assert (await verdict(bob, action=action))["reason"] == "DEAD"
        stats = rest.ok("GET", f"/sessions/{session}/stats")
        deaths = {player["playerId"]: player["deaths"] for player in stats["players"]}
        assert deaths == {"ada": 0, "bob": 1}
        await unharmed(rest, session, bob)

    asyncio.run(play())


def test_team_mates_and_oneself_are_not_hurt(server, api, rest):
    async def play():
        session, (ada, bob) = await playing(
            server, api, rest, "ada", "bob", gameMode="team_deathmatch"
        )
        cid = (await seated(server, api, session, "cid"))[0]
        await cid.until(lambda cid: cid.is_alive() and len(cid.entities) == 3)
        teams = {p["playerId"]: p["team"] for p in cid.welcome["participants"]}
        mate = ada if teams["ada"] == teams["cid"] else bob
        await mate.until(lambda mate: len(mate.entities) == 3)
        hurt = await shot(mate, cid.seat, claimedTargetId="cid", claimedDamage=1_000)
        assert hurt["reason"] in ("TARGET_IMMUNE", "MISS", "BLOCKED"), hurt
        # Downwards, through one's own feet.
        await mate.say(
            move={"position": mate.position, "correctionAck": mate.correction, "pitch": -16_384}
        )
        own = await verdict(
            mate,
            shot={
                "number": str(next(mate.shots)),
                "viewTickQ8": str(mate.tick * 256),
                "pitch": -16_384,
                "claimedTargetId": mate.welcome["participants"][mate.seat]["playerId"],
            },
        )
        assert own["reason"] != "HIT", own
        state = rest.ok("GET", f"/sessions/{session}/state")["snapshot"]["entities"]
        assert {entity["health"] for entity in state} == {100}
        await unharmed(rest, session, cid)

    asyncio.run(play())


def test_numbers_of_shots_that_are_forged_repeated_or_skipped(server, api, rest):
    async def play():
        session, (ada, bob) = await playing(server, api, rest, "ada", "bob")
        await ada.look_at(bob.seat)
        first = await verdict(ada, shot={"number": "1", **ada.aim(bob.seat)})
        for number in ("0", "4294967295", str(FOREVER), "900"):
            forged = await verdict(ada, shot={"number": number, **ada.aim(bob.seat)})
            assert forged["reason"] in ("SEQUENCE", "STALE"), (number, forged)
        # Another aim under the same number is the same shot.
        again = await verdict(ada, shot={"number": "1", "yaw": 1})
        assert (again["reason"], again["number"]) == (first["reason"], "1")
        stats = rest.ok("GET", f"/sessions/{session}/stats")["players"]
        assert sum(player["shots"] for player in stats) <= 1
        await unharmed(rest, session, bob)

    asyncio.run(play())


def test_shots_from_the_future_and_from_long_ago(server, api, rest):
    async def play():
        session, (ada, bob) = await playing(server, api, rest, "ada", "bob")
        await ada.until(lambda ada: ada.tick > 310, seconds=20)
        await ada.look_at(bob.seat)
        for view in (ada.tick + 60, 2**40, ada.tick - 300):
            late = await ada.shoot(bob.seat, viewTickQ8=str(view * 256))
            assert late["verdict"]["reason"] == "VIEW_TIME", (view, late)
        # By the client's own clock, too.
        frame = {
            "seq": 4_000,
            "snapshotAck": ada.tick,
            "shot": {"number": "4", **ada.aim(bob.seat)},
        }
        frame["shot"]["viewTickQ8"] = str(ada.tick * 256)
        clock = int((asyncio.get_running_loop().time() - 0) * 1_000_000)
        for seq, at in ((4_001, clock + 3_600_000_000), (4_002, 0)):
            frame["shot"]["number"] = str(seq - 3_997)
            await ada.socket.send(json.dumps(frame | {"seq": seq, "clientTimeUs": str(at)}))
            await ada.until(lambda ada, seq=seq: any(r.get("seq") == seq for r in ada.results))
            late = next(r for r in ada.results if r.get("seq") == seq)["verdict"]
            assert late["reason"] in ("SHOT_TIME", "VIEW_TIME", "RATE"), (at, late)
            assert not late.get("accepted")
        await unharmed(rest, session, bob)

    asyncio.run(play())


def test_who_plays_elsewhere_does_nothing_here(server, api, rest):
    async def play():
        session, (ada, bob) = await playing(server, api, rest, "ada", "bob")
        other, (eve, _) = await playing(server, api, rest, "eve", "fay")
        path = f"/sessions/{session}"
        for what, body in [
            ("damage", {"shot": {"number": "1"}}),
            ("actions", {"action": {"number": "1", "action": "dash"}}),
            ("position", {"move": {"position": {}}}),
            ("leave", {}),
        ]:
            answer = rest.call("POST", f"{path}/{what}", {"playerId": "eve", **body})
            assert reason(answer) == "NOT_JOINED", (what, answer.text)
        # The secret of a connection is that of its session and of its player.
        stolen = Player(api, "combat.v1.json")
        token = eve.welcome["resumeToken"]
        await stolen.connect(server.address, session, resumeToken=token)
        assert await stolen.closed() == 1008
        assert stolen.fault["reason"] == "TOKEN_MISMATCH"
        taken = Player(api, "combat.v1.json")
        token = ada.welcome["resumeToken"]
        await taken.connect(server.address, session, resumeToken=token, playerId="bob")
        assert await taken.closed() == 1008
        aimed = await verdict(ada, action={"number": "1", "action": "ignite", "targetId": "eve"})
        assert aimed["reason"] == "BAD_TARGET"
        await unharmed(rest, session, bob)
        rest.ok("DELETE", f"/sessions/{other}")

    asyncio.run(play())


def test_who_looks_on_can_do_nothing(server, api, rest):
    async def play():
        session, (_, bob) = await playing(server, api, rest, "ada", "bob")
        eve = await Player(api, "combat.v1.json").connect(server.address, session, spectate=True)
        await eve.until(lambda eve: len(eve.entities) == 2)
        for message in (
            {"shot": {"number": "1"}},
            {"move": {"position": {}}},
            {"action": {"number": "1", "action": "dash"}},
            {"reload": {}},
            {"equip": {"weapon": "pistol"}},
        ):
            eve.fault = {}
            await eve.say(**message)
            await eve.until(lambda eve: eve.fault)
            assert eve.fault["reason"] == "PERMISSION_DENIED", message
        events = rest.replay(session, "?eventsOnly=true&playerIds=eve&kinds=fired")
        assert all(not (part.get("frame") or {}).get("events") for part in events)
        await unharmed(rest, session, bob)

    asyncio.run(play())


# What is not there, not now, or not any more.


def test_unknown_things_are_named(server, api, rest):
    async def play():
        session, (ada, bob) = await playing(server, api, rest, "ada", "bob")
        assert reason(rest.call("POST", "/sessions", {"mapId": "moon"})) == "INVALID_ARGUMENT"
        assert (await verdict(ada, equip={"weapon": "laser"}))["reason"] == "NOT_EQUIPPED"
        armed = {"number": "1", "weapon": "laser", **ada.aim(bob.seat)}
        assert (await verdict(ada, shot=armed))["reason"] == "NOT_EQUIPPED"
        fly = await verdict(ada, action={"number": "1", "action": "fly"})
        assert fly["reason"] == "UNKNOWN_ACTION"
        await unharmed(rest, session, bob)

    asyncio.run(play())


def test_an_action_during_its_cooldown_says_when(server, api, rest):
    async def play():
        session, (ada, bob) = await playing(server, api, rest, "ada", "bob")
        done = [
            await verdict(ada, action={"number": str(number), "action": "barrier"})
            for number in (1, 2)
        ]
        assert done[0]["accepted"]
        assert done[1]["reason"] == "COOLDOWN"
        assert done[1]["readyAtTick"] > ada.tick
        await unharmed(rest, session, bob)

    asyncio.run(play())


def test_a_thousand_joins_of_one_player_are_one_seat(server, api, rest):
    async def play():
        session, (_, bob) = await playing(server, api, rest, "ada", "bob")
        join = {"playerId": "cid"}
        with ThreadPoolExecutor(16) as pool:
            path = f"/sessions/{session}/join"
            answers = list(pool.map(lambda _: rest.call("POST", path, join), range(1_000)))
        assert {answer.status_code for answer in answers} == {200}
        assert sum(not answer.json().get("repeatedWrite") for answer in answers) == 1
        seats = rest.ok("GET", f"/sessions/{session}")["participants"]
        assert [p["playerId"] for p in seats] == ["ada", "bob", "cid"]
        await unharmed(rest, session, bob)

    asyncio.run(play())


def test_full_and_ended_sessions_take_nobody(server, api, rest):
    async def play():
        session, (_, bob) = await playing(server, api, rest, "ada", "bob", maxPlayers=2)
        full = rest.call("POST", f"/sessions/{session}/join", {"playerId": "cid"})
        assert reason(full) == "SESSION_FULL"
        await unharmed(rest, session, bob)
        for what, body in [
            ("join", {"playerId": "cid"}),
            ("damage", {"playerId": "ada", "shot": {"number": "1"}}),
            ("position", {"playerId": "ada", "move": {"position": {}}}),
            ("leave", {"playerId": "ada"}),
        ]:
            answer = rest.call("POST", f"/sessions/{session}/{what}", body)
            assert reason(answer) == "SESSION_ENDED", (what, answer.text)

    asyncio.run(play())


def test_replays_of_what_is_missing_or_goes_on(server, api, rest):
    async def play():
        assert reason(rest.call("GET", "/sessions/none/replay")) == "NOT_FOUND"
        assert reason(rest.call("POST", "/sessions/none/replay:verify", {})) == "NOT_FOUND"
        session, (_, bob) = await playing(server, api, rest, "ada", "bob")
        await asyncio.sleep(0.5)
        end = rest.replay(session, "?eventsOnly=true")[-1]["end"]
        assert not end.get("whole")
        assert end["reason"]
        await unharmed(rest, session, bob)
        assert rest.replay(session)[-1]["end"]["whole"]

    asyncio.run(play())
