"""How combat's sockets close, in raw frames: each way of RFC 6455; and who is cut for silence."""

import asyncio
import json
import os
import struct
import time

import pytest

from combat import Player, Rest

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


@pytest.fixture
def rest(server):
    return Rest(server.url)


def frame(payload: bytes, opcode: int, final: bool = True, masked: bool = True) -> bytes:
    first = (0x80 if final else 0) | opcode
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = bytes([first, bit | len(payload)])
    else:
        head = bytes([first, bit | 126]) + struct.pack(">H", len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


class Raw:
    """A connection that sends whatever bytes a test wants."""

    async def open(self, server, session: str, version: str | None = "13") -> "Raw":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", server.port)
        self.ask(server, session, version)
        self.answer = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        return self

    def ask(self, server, session: str, version: str | None = "13") -> None:
        """Asks for the upgrade."""
        lines = [
            f"GET /api/v1/combat/sessions/{session}/ws HTTP/1.1",
            f"Host: {server.address}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol: combat.v1.json",
        ]
        if version is not None:
            lines.append(f"Sec-WebSocket-Version: {version}")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def join(self, player: str) -> "Raw":
        assert "101" in self.answer.splitlines()[0], self.answer
        hello = {"seq": 1, "hello": {"playerId": player, "join": True}}
        self.writer.write(frame(json.dumps(hello).encode(), TEXT))
        _, told = await self.hear()
        assert b'"welcome"' in told
        return self

    async def hear(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", await self.reader.readexactly(2))
        return first & 0x0F, await self.reader.readexactly(length)

    async def closed(self) -> int | None:
        """The code of the server's close frame; `None`: it had none."""
        while True:
            opcode, payload = await asyncio.wait_for(self.hear(), 10)
            if opcode == CLOSE:
                assert await asyncio.wait_for(self.reader.read(), 10) == b""
                return struct.unpack(">H", payload[:2])[0] if payload else None


def close(code: int | None, reason: bytes = b"") -> bytes:
    return frame(b"" if code is None else struct.pack(">H", code) + reason, CLOSE)


CLOSINGS = [
    # The client closes: it is answered with its own code.
    (close(1000), 1000),
    (close(1001, b"away"), 1001),
    (close(3999), 3999),
    (close(4000), 4000),
    (close(None), None),
    # Codes that nobody may send.
    (close(1005), 1002),
    (close(999), 1002),
    (close(1016), 1002),
    (frame(b"\x03", CLOSE), 1002),
    (close(1000, b"\xff\xfe"), 1007),
    # Frames that are none.
    (frame(b"\xff\xfe{}", TEXT), 1007),
    (frame(b"\xce", TEXT, final=False) + frame(b"\xce", 0), 1007),
    (frame(b"{}", 3), 1002),
    (frame(b"{}", TEXT, masked=False), 1002),
    (frame(b"x", 0), 1002),
    (frame(b"{", TEXT, final=False) + frame(b"}", TEXT), 1002),
    (frame(b"x", PING, final=False), 1002),
    (frame(b"x" * 126, PING), 1002),
    (bytes([0xC1]) + frame(b"{}", TEXT)[1:], 1002),
    # Too large, at once and in parts.
    (frame(b"x" * 5_000, TEXT), 1009),
    (frame(b"x" * 3_000, TEXT, final=False) + frame(b"x" * 3_000, 0), 1009),
]


@pytest.mark.parametrize(("sent", "code"), CLOSINGS)
def test_closing(server, rest, sent, code):
    async def play():
        session = rest.create(maxPlayers=2)
        raw = await (await Raw().open(server, session)).join("ada")
        raw.writer.write(sent)
        assert await raw.closed() == code
        # The seat is kept for who comes back.
        assert rest.ok("GET", f"/sessions/{session}")["participants"][0]["playerId"] == "ada"
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


@pytest.mark.parametrize("version", [None, "8", "14"])
def test_another_version_of_the_protocol_is_refused(server, rest, version):
    async def play():
        raw = await Raw().open(server, rest.create(), version)
        assert raw.answer.split()[1] == "426", raw.answer
        assert "sec-websocket-version: 13\r\n" in raw.answer

    asyncio.run(play())


def test_pings_are_answered_between_fragments(server, rest):
    async def play():
        session = rest.create(maxPlayers=2)
        raw = await (await Raw().open(server, session)).join("ada")
        ask = json.dumps({"seq": 2, "ping": {"clientTimeUs": "5"}}).encode()
        raw.writer.write(
            frame(ask[:9], TEXT, final=False) + frame(b"mark", PING) + frame(ask[9:], 0)
        )
        heard = []
        while not any(b'"pong"' in told for _, told in heard):
            heard.append(await asyncio.wait_for(raw.hear(), 10))
        assert (PONG, b"mark") in heard
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())


def test_who_only_listens_is_asked_for_a_sign_of_life_and_not_cut(server, api, rest):
    async def listens(session):
        """Frames come all the time, and nothing but pongs goes back."""
        ada = await Player(api, "combat.v1.json").connect(
            server.address, session, playerId="ada", join=True
        )
        end = time.monotonic() + 18
        while time.monotonic() < end:
            await ada.hear()

    async def is_dead(session):
        """Not even that. What he was asked, and after how long he was cut."""
        bob = await (await Raw().open(server, session)).join("bob")
        began, heard = time.monotonic(), []
        while not heard or heard[-1] != CLOSE:
            opcode, _ = await asyncio.wait_for(bob.hear(), 20)
            heard.append(opcode)
        return heard, time.monotonic() - began

    async def play():
        session = rest.create(maxPlayers=2)
        _, (heard, seconds) = await asyncio.gather(listens(session), is_dead(session))
        assert PING in heard
        assert 14 < seconds < 18
        rest.ok("DELETE", f"/sessions/{session}")

    asyncio.run(play())
