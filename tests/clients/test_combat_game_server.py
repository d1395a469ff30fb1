"""A game server that simulates by itself: one stream of many players' commands, and events back."""

import itertools
import math
import queue
import threading

import grpc
import pytest

from combat import EYE, MIDDLE, TURN, Rest
from support import run


@pytest.fixture
def rest(server):
    return Rest(server.url)


class GameServer:
    """A stream: the answer to each command, and the events in their order."""

    def __init__(self, api, channel):
        self.api = api.combat_messages
        self.frame = api.combat_frame
        self.numbers = itertools.count(1)
        self.requests = queue.SimpleQueue()
        self.answers: dict = {}
        self.events: dict[str, list] = {}
        self.sessions: set[str] = set()
        self.news = threading.Condition()
        self.ended: grpc.RpcError | None = None
        stub = api.combat_grpc.CombatServiceStub(channel)
        self.call = stub.GameServer(iter(self.requests.get, None))
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        try:
            for answer in self.call:
                with self.news:
                    self.sessions.add(answer.session_id)
                    if answer.command_id:
                        self.answers[answer.command_id] = answer
                    else:
                        seen = self.events.setdefault(answer.session_id, [])
                        seen.extend(answer.events.events)
                    self.news.notify_all()
        except grpc.RpcError as error:
            self.ended = error

    def until(self, done, seconds: float = 10):
        with self.news:
            assert self.news.wait_for(lambda: done(self), seconds), (self.answers, self.events)

    def say(self, session: str, player: str = "", **command) -> int:
        number = next(self.numbers)
        request = self.api.GameServerRequest(
            command_id=number, session_id=session, player_id=player, **command
        )
        self.requests.put(request)
        return number

    def ask(self, session: str, player: str = "", **command):
        number = self.say(session, player, **command)
        self.until(lambda self: number in self.answers)
        return self.answers[number]

    def places(self, session: str) -> dict:
        spawned = [event.spawned for event in self.events.get(session, [])]
        return {each.player_id: each.position for each in spawned if each.player_id}

    def look(self, session: str, player: str, at: str, correction: int) -> tuple[int, int]:
        here, there = (self.places(session)[who] for who in (player, at))
        dx, dy = there.x - here.x, there.y - here.y
        dz = there.z + MIDDLE - here.z - EYE
        yaw = round(math.atan2(dy, dx) / math.tau * TURN) % TURN
        pitch = round(math.atan2(dz, math.hypot(dx, dy)) / math.tau * TURN)
        move = self.frame.Move(position=here, yaw=yaw, pitch=pitch, correction_ack=correction)
        assert self.ask(session, player, move=move).result.verdict.accepted
        return yaw, pitch


def test_a_game_server_plays_for_its_players(api, channel, rest):
    game = GameServer(api, channel)
    # Two sessions on one stream do not mix.
    for session in (rest.create(maxPlayers=4, mapId="foundry"), rest.create(maxPlayers=4)):
        known = game.ask(session, subscribe=game.api.Subscribe(last_event_seq=0))
        assert known.result.verdict.accepted
        for player in ("ada", "bob"):
            joined = game.ask(session, player, join=game.api.JoinSeat())
            assert joined.result.verdict.accepted, joined
            assert joined.session_id == session
        rest.start(session)
        game.until(lambda game, session=session: len(game.places(session)) == 2)
        yaw, pitch = game.look(session, "ada", "bob", 1)
        shot = game.frame.Shot(number=1, yaw=yaw, pitch=pitch, ack="ACK_CLASS_DURABLE")
        fired = game.ask(session, "ada", shot=shot)
        assert fired.session_id == session
        assert fired.result.verdict.accepted, fired
        assert fired.result.ack == 2
        again = game.ask(session, "ada", shot=shot).result
        assert again.repeated_command
        dash = game.frame.UseAction(number=1, action="dash")
        assert game.ask(session, "bob", action=dash).result.verdict.accepted
        assert game.ask(session, "bob", leave=game.frame.Leave()).result.verdict.accepted
        game.until(
            lambda game, session=session: any(
                event.HasField("left") for event in game.events[session]
            )
        )
        numbers = [event.seq for event in game.events[session]]
        assert numbers == list(range(1, len(numbers) + 1))
        left = next(event.left for event in game.events[session] if event.HasField("left"))
        assert (left.player_id, left.reason) == ("bob", "left")
        why = rest.ok("GET", f"/sessions/{session}/damage/ada/1")
        assert why["verdict"]["reason"] == fired.result.verdict.reason
        rest.ok("DELETE", f"/sessions/{session}")
        assert rest.ok("POST", f"/sessions/{session}/replay:verify", {})["agrees"]
    assert "" not in game.sessions
    game.call.cancel()


def test_what_cannot_be_judged_is_a_fault_of_that_command_alone(api, channel, rest):
    game = GameServer(api, channel)
    session = rest.create(maxPlayers=2)
    shot = game.frame.Shot(number=1)
    table = [
        (("none", "ada"), {"join": game.api.JoinSeat()}, "NOT_FOUND"),
        (("a b", "ada"), {"join": game.api.JoinSeat()}, "INVALID_ARGUMENT"),
        ((session, ""), {"join": game.api.JoinSeat()}, "INVALID_ARGUMENT"),
        ((session, "ada"), {}, "INVALID_ARGUMENT"),
        ((session, "ada"), {"shot": shot}, "NOT_JOINED"),
        ((session, "ada"), {"leave": game.frame.Leave()}, "NOT_JOINED"),
        ((session, ""), {"subscribe": game.api.Subscribe(last_event_seq=99)}, "OUT_OF_HISTORY"),
    ]
    for where, command, reason in table:
        answer = game.ask(*where, **command)
        assert answer.fault.reason == reason, (where, command, answer)
        assert answer.session_id == where[0]
    assert game.ask(session, "ada", join=game.api.JoinSeat()).result.verdict.accepted
    waiting = game.ask(session, "ada", shot=shot).result.verdict
    assert (waiting.accepted, waiting.reason) == (False, "WRONG_STATUS")
    rest.ok("DELETE", f"/sessions/{session}")
    game.call.cancel()


def test_a_game_server_goes_on_after_the_last_event_that_it_knows(api, channel, rest):
    session = rest.create(maxPlayers=4)
    first = GameServer(api, channel)
    first.ask(session, subscribe=first.api.Subscribe(last_event_seq=0))
    first.ask(session, "ada", join=first.api.JoinSeat())
    first.until(
        lambda game: any(event.HasField("joined") for event in game.events.get(session, []))
    )
    last = first.events[session][-1].seq
    first.call.cancel()
    rest.ok("POST", f"/sessions/{session}/join", {"playerId": "bob"})
    rest.start(session)
    second = GameServer(api, channel)
    second.ask(session, subscribe=second.api.Subscribe(last_event_seq=last))
    second.until(lambda game: len(game.places(session)) == 2)
    numbers = [event.seq for event in second.events[session]]
    assert numbers == list(range(last + 1, last + 1 + len(numbers)))
    rest.ok("DELETE", f"/sessions/{session}")
    second.call.cancel()


def test_a_player_may_not_be_a_game_server(own_server, binary, api):
    secret = {"JWT_SECRET": "of the client tests, and of nothing else"}
    server = own_server(**secret)
    arguments = ["token", "--role", "player", "--player-id", "ada"]
    token = run(binary, *arguments, text=True, env=secret).stdout.strip()
    with grpc.insecure_channel(server.address) as channel:
        stub = api.combat_grpc.CombatServiceStub(channel)
        request = api.combat_messages.GameServerRequest(command_id=1, session_id="s")
        metadata = [("authorization", f"Bearer {token}")]
        with pytest.raises(grpc.RpcError) as refused:
            next(stub.GameServer(iter([request]), metadata=metadata))
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
