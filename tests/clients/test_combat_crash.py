"""kill -9 and SIGTERM in a running match. The checker knows only what clients were told."""

import asyncio
import random

import websockets

from combat import Player, Rest

ROUNDS = 4


async def shoot_until_cut(player: Player, seat: int) -> list[int]:
    """Shoots until the server is gone. The numbers that were answered as durable."""
    durable = []
    try:
        while True:
            outcome = await player.shoot(seat, ack="ACK_CLASS_DURABLE")
            assert outcome["ack"] == "ACK_CLASS_DURABLE"
            durable.append(int(outcome["verdict"]["number"]))
            if outcome["verdict"]["reason"] == "MAGAZINE_EMPTY":
                await player.say(reload={})
                await asyncio.sleep(0.3)
    except websockets.ConnectionClosed:
        return durable


def events_are_dense(player: Player) -> bool:
    numbers = [int(event["seq"]) for event in player.events]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True


def test_what_was_acknowledged_durable_survives_kill_9(own_server, api):
    server = own_server()
    rest = Rest(server.url)

    async def play():
        session = rest.create(maxPlayers=2, mapId="foundry", policy={"idleGraceS": 600})
        tokens: dict[str, str] = {}
        durable: set[int] = set()
        for number in range(ROUNDS):
            players = []
            for name in ["ada", "bob"]:
                hello = (
                    {"resumeToken": tokens[name]} if tokens else {"playerId": name, "join": True}
                )
                player = Player(api, "combat.v1.proto")
                await player.connect(server.address, session, **hello)
                await player.until(lambda player: player.welcome)
                players.append(player)
            ada, bob = players
            tokens = {"ada": ada.welcome["resumeToken"], "bob": bob.welcome["resumeToken"]}
            if number == 0:
                rest.start(session)
            for player in players:
                await player.until(lambda player: player.is_alive() and len(player.entities) == 2)
            next_shot = int(ada.welcome["nextShot"])
            # A number that was answered is known after the crash: the next new one is beyond it.
            assert not durable or next_shot > max(durable), (next_shot, durable)
            ada.shots = iter(range(next_shot, next_shot + 10_000))
            await ada.look_at(bob.seat)
            shooting = asyncio.create_task(shoot_until_cut(ada, bob.seat))
            await asyncio.sleep(random.uniform(0.3, 1.2))
            server.kill()
            durable |= set(await shooting)
            assert all(events_are_dense(player) for player in players)
            server.start()
            rest.root = f"{server.url}/api/v1/combat"
            for shot in durable:
                rest.ok("GET", f"/sessions/{session}/damage/ada/{shot}")
        assert durable
        assert rest.ok("POST", f"/sessions/{session}/replay:verify", {})["agrees"]
        rest.ok("DELETE", f"/sessions/{session}")
        assert rest.replay(session)[-1]["end"]["whole"]

    asyncio.run(play())
    assert server.stop() == 0


def test_a_server_that_stops_tells_its_clients_to_come_back(own_server, api):
    server = own_server()
    rest = Rest(server.url)

    async def play():
        session = rest.create(maxPlayers=2)
        ada = Player(api, "combat.v1.json")
        await ada.connect(server.address, session, playerId="ada", join=True)
        rest.start(session)
        await ada.until(lambda ada: ada.is_alive())
        stopping = asyncio.get_running_loop().run_in_executor(None, server.stop)
        assert await ada.closed() == 1012
        assert ada.fault["resumeToken"]
        assert ada.fault["retryAfterMs"] > 0
        assert await stopping == 0
        server.start()
        again = Player(api, "combat.v1.json")
        await again.connect(server.address, session, resumeToken=ada.fault["resumeToken"])
        await again.until(lambda again: again.is_alive())
        assert again.welcome["session"]["status"] == "active"

    asyncio.run(play())
