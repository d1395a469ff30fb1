"""A player's side of the combat sockets, in both sub-protocols, and REST beside it."""

import asyncio
import itertools
import json
import math
import time

import requests
import websockets
from google.protobuf import json_format

TURN = 65_536
EYE = 1_690
MIDDLE = 1_200


class Rest:
    """The REST side of combat on one server."""

    def __init__(self, url: str):
        self.root = f"{url}/api/v1/combat"

    def call(self, method: str, path: str, body=None, **headers) -> requests.Response:
        return requests.request(method, self.root + path, json=body, headers=headers, timeout=20)

    def raw(self, method: str, path: str, body: str) -> requests.Response:
        """A body as it is, which need not be JSON."""
        headers = {"content-type": "application/json"}
        return requests.request(method, self.root + path, data=body, headers=headers, timeout=20)

    def ok(self, method: str, path: str, body=None, **headers) -> dict:
        answer = self.call(method, path, body, **headers)
        assert answer.status_code == 200, (method, path, answer.text)
        return answer.json()

    def create(self, **fields) -> str:
        session = self.ok("POST", "/sessions", {"gameMode": "deathmatch", **fields})
        assert session["status"] == "waiting"
        return session["sessionId"]

    def start(self, session: str) -> None:
        assert self.ok("PUT", f"/sessions/{session}", {"status": "active"})["status"] == "active"

    def replay(self, session: str, query: str = "") -> list[dict]:
        path = f"{self.root}/sessions/{session}/replay{query}"
        answer = requests.get(path, headers={"accept": "application/x-ndjson"}, timeout=60)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


class Player:
    """A connection; it knows what it was told and nothing else."""

    def __init__(self, api, protocol: str):
        self.api = api
        self.protocol = protocol
        self.seq = itertools.count(1)
        self.shots = itertools.count(1)
        self.began = time.monotonic()
        self.frames: list[dict] = []
        self.events: list[dict] = []
        self.results: list[dict] = []
        self.entities: dict[int, dict] = {}
        self.welcome: dict = {}
        self.tick = 0
        self.correction = 0
        self.position = {"x": 0, "y": 0, "z": 0}
        self.fault: dict = {}

    @property
    def seat(self) -> int:
        return self.welcome.get("seat", 0)

    async def connect(self, address: str, session: str, *protocols: str, **hello) -> "Player":
        url = f"ws://{address}/api/v1/combat/sessions/{session}/ws"
        offered = [self.protocol, *protocols]
        self.socket = await websockets.connect(url, subprotocols=offered, max_size=1 << 20)
        assert self.socket.subprotocol == self.protocol
        await self.say(hello=hello)
        return self

    async def say(self, **message) -> int:
        seq = next(self.seq)
        clock = int((time.monotonic() - self.began) * 1_000_000)
        frame = {"seq": seq, "clientTimeUs": str(clock), "snapshotAck": self.tick, **message}
        if self.protocol.endswith("json"):
            await self.socket.send(json.dumps(frame))
        else:
            encoded = json_format.ParseDict(frame, self.api.combat_frame.ClientFrame())
            await self.socket.send(encoded.SerializeToString())
        return seq

    async def hear(self, seconds: float = 5) -> dict:
        """The next frame."""
        data = await asyncio.wait_for(self.socket.recv(), seconds)
        if self.protocol.endswith("json"):
            assert isinstance(data, str)
            frame = json.loads(data)
        else:
            assert isinstance(data, bytes)
            decoded = self.api.combat_frame.ServerFrame.FromString(data)
            frame = json_format.MessageToDict(decoded)
        self.take(frame)
        return frame

    async def until(self, done, seconds: float = 10):
        """Hears frames until something is true of this player."""
        deadline = time.monotonic() + seconds
        while not done(self):
            assert time.monotonic() < deadline, self.frames[-3:]
            await self.hear(seconds)
        return self

    def take(self, frame: dict) -> None:
        self.frames.append(frame)
        self.tick = max(self.tick, frame.get("tick", 0))
        self.events += frame.get("events", [])
        self.results += frame.get("results", [])
        self.fault = frame.get("fault", self.fault)
        self.welcome = frame.get("welcome", self.welcome)
        if correction := frame.get("correction"):
            self.correction = correction["correctionId"]
            self.position = {"x": 0, "y": 0, "z": 0} | correction["position"]
        if (snapshot := frame.get("snapshot")) is not None:
            if "baseline" not in snapshot:
                self.entities = {}
            for seat in snapshot.get("removed", []):
                self.entities.pop(seat, None)
            for entity in snapshot.get("entities", []):
                self.entities.setdefault(entity.get("seat", 0), {}).update(entity)

    def is_alive(self) -> bool:
        return self.entities.get(self.seat, {}).get("alive", False)

    def aim(self, seat: int) -> dict:
        at = {"x": 0, "y": 0, "z": 0} | self.entities[seat]["position"]
        dx, dy = at["x"] - self.position["x"], at["y"] - self.position["y"]
        dz = at["z"] + MIDDLE - self.position["z"] - EYE
        yaw = round(math.atan2(dy, dx) / math.tau * TURN) % TURN
        return {"yaw": yaw, "pitch": round(math.atan2(dz, math.hypot(dx, dy)) / math.tau * TURN)}

    async def look_at(self, seat: int) -> None:
        await self.say(
            move={
                "position": self.position,
                "correctionAck": self.correction,
                **self.aim(seat),
            }
        )

    async def shoot(self, seat: int, **fields) -> dict:
        """Shoots at a seat and waits for the verdict."""
        number = next(self.shots)
        shot = {"number": str(number), "viewTickQ8": str(self.tick * 256), **self.aim(seat)}
        seq = await self.say(shot=shot | fields)
        await self.until(lambda self: any(r.get("seq") == seq for r in self.results))
        return next(r for r in self.results if r.get("seq") == seq)

    async def closed(self, seconds: float = 15) -> int:
        """The close code, after everything that came before it."""
        try:
            while True:
                await self.hear(seconds)
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006


async def alone(api, server, rest: Rest) -> tuple[str, Player]:
    """A session that is played, and the one who plays in it."""
    session = rest.create(maxPlayers=2)
    ada = await Player(api, "combat.v1.json").connect(
        server.address, session, playerId="ada", join=True
    )
    rest.start(session)
    await ada.until(lambda ada: ada.is_alive())
    return session, ada
