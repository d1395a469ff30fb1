"""What went wrong for others (docs/combat-cases.md): the cases that have no place elsewhere."""

import asyncio
import re
import socket
import struct
import time

import pytest

from combat import Player, Rest, alone
from support import REPOSITORY
from test_combat_closing import Raw, frame


@pytest.fixture
def rest(server):
    return Rest(server.url)


def test_every_case_of_the_guide_has_its_test():
    guide = (REPOSITORY / "docs" / "combat-cases.md").read_text()
    named = {
        name for name in re.findall(r"`([a-z0-9_]{12,})`", guide) if "combat_valid" not in name
    }
    folders = ["crates", "services", "tests/clients"]
    sources = [
        path.read_text()
        for folder in folders
        for kind in ("rs", "py")
        for path in (REPOSITORY / folder).rglob(f"*.{kind}")
    ]
    defined = set()
    for source in sources:
        defined |= set(re.findall(r"(?:fn|def) ([a-z0-9_]+)", source))
    assert len(named) > 50
    assert named - defined == set()


def test_sessions_that_nobody_enters_or_comes_back_to_end(server, api, rest):
    async def play():
        unclaimed = rest.create(policy={"idleGraceS": 1})
        session = rest.create(maxPlayers=2, policy={"idleGraceS": 3})
        ada = await Player(api, "combat.v1.json").connect(
            server.address, session, playerId="ada", join=True
        )
        rest.start(session)
        await ada.until(lambda ada: ada.is_alive())
        token = ada.welcome["resumeToken"]
        # Dropped without a word; back within the grace.
        ada.socket.transport.abort()
        await asyncio.sleep(2)
        again = Player(api, "combat.v1.json")
        await again.connect(server.address, session, resumeToken=token)
        await again.until(lambda again: again.is_alive())
        again.socket.transport.abort()
        began = time.monotonic()
        while rest.ok("GET", f"/sessions/{session}")["status"] == "active":
            assert time.monotonic() - began < 15
            await asyncio.sleep(0.2)
        assert time.monotonic() - began > 2
        ended = rest.ok("GET", f"/sessions/{session}")
        assert (ended["status"], ended["endReason"]) == ("ended", "empty")
        late = Player(api, "combat.v1.json")
        await late.connect(server.address, session, resumeToken=token)
        assert await late.closed() == 4410
        # Ten times as long where nobody ever was.
        while rest.ok("GET", f"/sessions/{unclaimed}")["status"] == "waiting":
            assert time.monotonic() - began < 30
            await asyncio.sleep(0.2)
        aborted = rest.ok("GET", f"/sessions/{unclaimed}")
        assert (aborted["status"], aborted["endReason"]) == ("aborted", "empty")

    asyncio.run(play())


def test_who_hangs_up_while_he_is_let_in_is_no_ghost(server, api, rest):
    async def play():
        session = rest.create(maxPlayers=8)
        hello = b'{"seq": 1, "hello": {"playerId": "ghost-?", "join": true}}'
        for number in range(8):
            raw = await Raw().open(server, session)
            raw.writer.write(frame(hello.replace(b"?", str(number).encode()), 1))
            await raw.writer.drain()
            # The connection is reset, not closed.
            linger = struct.pack("ii", 1, 0)
            raw.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            raw.writer.transport.abort()
        deadline = time.monotonic() + 10
        while True:
            seats = rest.ok("GET", f"/sessions/{session}")["participants"]
            if not any(seat["connected"] for seat in seats):
                break
            assert time.monotonic() < deadline, seats
            await asyncio.sleep(0.1)
        # All of them can come in, each once.
        for number in range(8):
            player = Player(api, "combat.v1.json")
            await player.connect(server.address, session, playerId=f"ghost-{number}", join=True)
            await player.until(lambda player: player.welcome)
        seats = rest.ok("GET", f"/sessions/{session}")["participants"]
        assert sorted(seat["playerId"] for seat in seats) == [f"ghost-{n}" for n in range(8)]
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


def test_a_number_of_another_life_is_answered_by_everything(server, api, rest):
    async def play():
        session, ada = await alone(api, server, rest)
        token = ada.welcome["resumeToken"]
        again = Player(api, "combat.v1.json")
        await again.connect(server.address, session, resumeToken=token, lastEventSeq="1000000")
        await again.until(lambda again: again.is_alive())
        assert any(told.get("eventsSkipped") for told in again.frames)
        first = next(told["snapshot"] for told in again.frames if "snapshot" in told)
        assert "baseline" not in first
        assert not again.welcome.get("resumed")
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


def test_who_left_during_a_gap_is_gone_after_it(server, api, rest):
    async def play():
        session = rest.create(maxPlayers=3)
        players = [
            await Player(api, "combat.v1.json").connect(
                server.address, session, playerId=name, join=True
            )
            for name in ("ada", "bob")
        ]
        rest.start(session)
        ada, bob = players
        for player in players:
            await player.until(lambda player: len(player.entities) == 2)
        last = bob.events[-1]["seq"] if bob.events else "0"
        token = bob.welcome["resumeToken"]
        bob.socket.transport.abort()
        await ada.say(leave={})
        assert await ada.closed() == 1000
        again = Player(api, "combat.v1.json")
        await again.connect(server.address, session, resumeToken=token, lastEventSeq=last)
        await again.until(lambda again: again.entities)
        assert list(again.entities) == [bob.seat]
        await again.until(lambda again: any("left" in event for event in again.events))
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


def test_compression_is_not_offered(server, api, rest):
    async def play():
        session = rest.create(maxPlayers=2)
        # The library asks for permessage-deflate.
        ada = await Player(api, "combat.v1.json").connect(
            server.address, session, playerId="ada", join=True
        )
        assert "permessage-deflate" in ada.socket.request.headers["Sec-WebSocket-Extensions"]
        assert ada.socket.response.headers.get("Sec-WebSocket-Extensions") is None
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())
