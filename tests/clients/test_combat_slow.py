"""A client that stops reading on the real endpoint: what it is sent, when it is closed, how it
comes back, and that nobody else notices."""

import asyncio
import itertools
import json
import re
import socket
import time
from pathlib import Path

import pytest
import requests

from combat import Player, Rest
from test_combat_closing import CLOSE, TEXT, Raw, frame

# What the kernel may hold for one client, in bytes: unsent, and on its way into a buffer as small
# as his.
QUEUED_BYTES_MAX = 64 << 10

# Events that somebody misses: four frames of them, and as JSON more than 64 KiB.
MISSED = 250


class Deaf(Raw):
    """A player who can stop reading while he goes on to talk. His own buffers are small."""

    async def join(self, server, session: str, **hello) -> "Deaf":
        self.player = Player(None, "combat.v1.json")
        self.seq = 0
        wire = socket.socket()
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.setblocking(False)
        await asyncio.get_running_loop().sock_connect(wire, ("127.0.0.1", server.port))
        self.port = wire.getsockname()[1]
        self.reader, self.writer = await asyncio.open_connection(sock=wire, limit=1024)
        self.ask(server, session)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        assert b"101" in answer.splitlines()[0], answer
        self.say(hello=hello)
        while not self.player.welcome:
            await self.take()
        return self

    def say(self, **message) -> None:
        self.seq += 1
        clock = str(int((time.monotonic() - self.player.began) * 1_000_000))
        said = {"seq": self.seq, "clientTimeUs": clock, **message}
        self.writer.write(frame(json.dumps(said).encode(), TEXT))

    async def take(self) -> int | None:
        """The next frame; a close frame's code."""
        opcode, payload = await asyncio.wait_for(self.hear(), 30)
        if opcode == CLOSE:
            return int.from_bytes(payload[:2])
        if opcode == TEXT:
            self.player.take(json.loads(payload))
        return None

    async def talk(self, done) -> None:
        """Says that he is there, and reads nothing, until something has happened elsewhere."""
        deadline = time.monotonic() + 60
        while not done():
            assert time.monotonic() < deadline
            assert not self.reader.at_eof()
            self.say(ping={"clientTimeUs": "1"})
            await asyncio.sleep(0.25)

    def queued(self, server) -> int:
        """Bytes that the server's kernel holds for him."""
        ours, his = f"0100007F:{server.port:04X}", f"0100007F:{self.port:04X}"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1:3] == [ours, his]:
                return int(fields[4].split(":")[0], 16)
        return 0


def metric(server, name: str) -> float:
    text = requests.get(f"{server.url}/metrics", timeout=10).text
    return sum(float(value) for value in re.findall(rf"^{re.escape(name)} (\S+)$", text, re.M))


async def play_on(bob: Player, until: asyncio.Event) -> None:
    """Turns about, changes weapons, and hears everything."""
    weapons = itertools.cycle(["pistol", "rifle"])
    while not until.is_set():
        for turn in range(10):
            await bob.say(
                move={
                    "position": bob.position,
                    "correctionAck": bob.correction,
                    "yaw": (bob.tick * 37 + turn) % 65_536,
                }
            )
            await bob.hear(30)
        await bob.say(equip={"weapon": next(weapons)})


@pytest.fixture
def rest(server):
    return Rest(server.url)


def is_connected(rest: Rest, session: str, player: str) -> bool:
    seats = rest.ok("GET", f"/sessions/{session}")["participants"]
    return any(s["playerId"] == player and s.get("connected") for s in seats)


def test_a_client_that_stops_reading_is_conflated_closed_and_resumed(server, api, rest):
    async def play():
        session = rest.create(maxPlayers=2)
        ada = await Deaf().join(server, session, playerId="ada", join=True)
        bob = await Player(api, "combat.v1.json").connect(
            server.address, session, playerId="bob", join=True
        )
        rest.start(session)
        over = asyncio.Event()
        playing = asyncio.create_task(play_on(bob, over))
        most = 0

        # She does not read for a while: what she is shown then follows her own last picture.
        conflated = metric(server, "combat_frames_conflated_total")

        def is_behind() -> bool:
            nonlocal most
            most = max(most, ada.queued(server))
            return metric(server, "combat_frames_conflated_total") > conflated + 20

        await ada.talk(is_behind)
        behind = bob.tick
        while ada.player.tick <= behind:
            assert await ada.take() is None
        gap = max(gap_of(ada.player))
        assert gap > 15, "she was conflated"
        assert set(map(int, ada.player.entities)) == {0, 1}

        # She does not read any more: she is closed, and is told how to come back.
        began = bob.tick
        await ada.talk(lambda: is_behind() and not is_connected(rest, session, "ada"))
        ended = bob.tick
        code = None
        while code is None:
            code = await ada.take()
        assert code == 4408
        fault = ada.player.fault
        assert fault["closeCode"] == 4408
        assert fault["resumeToken"]
        assert fault["retryAfterMs"]
        assert most <= QUEUED_BYTES_MAX
        assert ended - began > 60, "she has had three seconds"

        # Nobody else noticed.
        assert max(gap_of(bob)) < 30, gap_of(bob)

        # She comes back with what she missed, each of it once.
        back = await Deaf().join(
            server, session, resumeToken=fault["resumeToken"], lastEventSeq=str(last(ada.player))
        )
        assert back.player.welcome["resumed"]
        missed_until = last(bob)
        while last(back.player) < missed_until:
            assert await back.take() is None
        over.set()
        await playing
        heard = numbers(ada.player) + numbers(back.player)
        assert heard == list(range(heard[0], heard[0] + len(heard)))
        assert len(numbers(back.player)) >= 3
        assert not any(f.get("eventsSkipped") for f in ada.player.frames + back.player.frames)
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


def numbers(player: Player) -> list[int]:
    return [int(event["seq"]) for event in player.events]


def last(player: Player) -> int:
    return max(numbers(player), default=0)


def gap_of(player: Player) -> list[int]:
    """Ticks between one picture and the next."""
    ticks = [frame.get("tick", 0) for frame in player.frames if "snapshot" in frame]
    return [later - earlier for earlier, later in itertools.pairwise(ticks)] or [0]


@pytest.mark.parametrize("hello", [{"playerId": "ada"}, {"spectate": True}])
def test_who_missed_more_than_a_frame_has_room_for_gets_all_of_it(server, api, rest, hello):
    async def play():
        session = rest.create(maxPlayers=2)
        rest.ok("POST", f"/sessions/{session}/join", {"playerId": "ada"})
        seen = int(rest.ok("GET", f"/sessions/{session}")["eventSeq"])
        for number in range(MISSED):
            name = f"{number} ".ljust(128, "x")
            rest.ok("PUT", f"/sessions/{session}", {"name": name})
        ada = await Player(api, "combat.v1.json").connect(
            server.address, session, lastEventSeq=str(seen), **hello
        )
        newest = int(rest.ok("GET", f"/sessions/{session}")["eventSeq"])
        assert newest >= seen + MISSED
        await ada.until(lambda ada: last(ada) >= newest, 60)
        assert numbers(ada)[:MISSED] == list(range(seen + 1, seen + MISSED + 1))
        assert len(numbers(ada)) == len(set(numbers(ada)))
        assert not any(frame.get("eventsSkipped") for frame in ada.frames)
        parts = [frame for frame in ada.frames if frame.get("events")]
        assert len(parts) > 2, "more than one frame has room for"
        for part in parts:
            assert int(part["eventSeq"]) == int(part["events"][-1]["seq"])
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())
