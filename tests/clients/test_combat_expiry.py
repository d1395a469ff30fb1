"""A socket lasts no longer than its token, unless a newer one is sent in time."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

from combat import Player, Rest

SECRET = "of the client tests, and of nothing else"  # noqa: S105

# Clocks of issuer and server may differ by so much.
LEEWAY_S = 30


def token(player: str, seconds: float, role: str = "player") -> str:
    """A token that the server refuses in so many seconds."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    claims = {"sub": player, "role": role, "exp": int(time.time() + seconds - LEEWAY_S)}
    signed = ".".join(part(json.dumps(p).encode()) for p in [{"alg": "HS256"}, claims])
    return f"{signed}.{part(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256))}"


def test_a_socket_ends_with_its_token(own_server, api):
    server = own_server(JWT_SECRET=SECRET)
    rest = Rest(server.url)
    admin = {"authorization": f"Bearer {token('boss', 600, 'admin')}"}
    session = rest.ok("POST", "/sessions", {"maxPlayers": 4}, **admin)["sessionId"]

    async def connect(token: str, **hello) -> Player:
        player = Player(api, "combat.v1.proto")
        await player.connect(server.address, session, token=token, **hello)
        return await player.until(lambda player: player.welcome)

    async def play():
        began = time.monotonic()
        ada = await connect(token("ada", 3), join=True)
        eve = await connect(token("eve", 3, "spectator"), spectate=True)
        bob = await connect(token("bob", 3), join=True)
        await bob.say(refresh={"token": token("bob", 600)})
        mallory = await connect(token("mallory", 600), join=True)
        await mallory.say(refresh={"token": token("ada", 600)})
        assert await mallory.closed() == 4401, mallory.fault
        assert await ada.closed() == 4401, ada.fault
        assert "expired" in ada.fault["message"]
        assert time.monotonic() - began > 1.5
        assert await eve.closed() == 4401, eve.fault
        # He has sent a newer one.
        await bob.say(ping={"clientTimeUs": "1"})
        await bob.until(lambda bob: any("pong" in frame for frame in bob.frames))
        again = await connect(token("ada", 600), resumeToken=ada.fault["resumeToken"])
        assert again.welcome["resumed"]

    asyncio.run(play())
    assert server.stop() == 0
