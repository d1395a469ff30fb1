"""Every RPC, asked as every role, for oneself and for another, over gRPC and over REST.

The cells come from the descriptors: an RPC that is added is asked without a line here. What must
be answered comes from the options in the contract, `roles` and `own_player`; admitted means that
the call is not refused for who calls, whatever else may be wrong with it.
"""

import itertools
import json
import re
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

import grpc
import pytest
import requests
from google.api import annotations_pb2
from google.protobuf import descriptor_pool, json_format, message_factory

from support import Server, curl, run

SECRET = "of the permission tests, and of nothing else"  # noqa: S105
ROLES = ("player", "game-server", "admin", "spectator", "analyst")
SERVICES = ("state", "combat", "stats", "memory")
# A refusal comes at once; what is admitted may go on for ever.
REFUSAL_SECONDS_MAX = 10
ADMITTED_SECONDS_MAX = 0.25
OWN, OTHER = "ann", "bob"
# Called by the other instances of a store, which prove themselves by more than a token.
OF_INSTANCES = {"gamemesh.stats.v1.MatchStatsService.IngestPart"}


@pytest.fixture(scope="module")
def guarded(binary, tmp_path_factory):
    running = Server(binary, tmp_path_factory.mktemp("guarded"), JWT_SECRET=SECRET).start()
    yield running
    assert running.stop() == 0, running.log()[-4000:]


@pytest.fixture(scope="module")
def tokens(binary) -> dict[str, str]:
    def made(role: str) -> str:
        subject = ["--player-id", OWN] if role == "player" else ["--subject", f"a-{role}"]
        arguments = ["token", "--role", role, *subject]
        done = run(binary, *arguments, text=True, env={"JWT_SECRET": SECRET})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return {role: made(role) for role in ROLES}


@pytest.fixture(scope="module")
def rest(guarded, tokens):
    """Calls as a game server, to prepare what is asked about."""

    def call(method: str, path: str, body=None):
        bearer = ("-H", f"Authorization: Bearer {tokens['game-server']}")
        return curl(f"{guarded.url}/api/v1/{path}", *bearer, method=method, body=body)

    for player in (OWN, OTHER):
        assert call("PUT", f"state/player/{player}", {"level": 2}).status == 200
    return call


@pytest.fixture(scope="module")
def facts(api):
    """The options of the contract."""
    from gamemesh.common.v1 import method_pb2

    return method_pb2


@pytest.fixture(scope="module")
def methods(api, facts):
    """Every method of every service, with its facts."""
    found = []
    for path in sorted((api_folder(api) / "gamemesh").glob("*/v1/*_pb2.py")):
        name = ".".join(path.relative_to(api_folder(api)).with_suffix("").parts)
        file = import_module(name).DESCRIPTOR
        found += [it for service in file.services_by_name.values() for it in service.methods]
    assert {it.full_name.split(".")[1] for it in found} == set(SERVICES)
    return found


def api_folder(api):
    return Path(api.read.__file__).parents[3]


def role_names(facts, numbers) -> set[str]:
    names = (facts.Role.Name(number) for number in numbers)
    return {name.removeprefix("ROLE_").lower().replace("_", "-") for name in names}


def filled(descriptor, subject: str, session: str, kind: str):
    """A request about a subject: whatever names one is set, the rest is left out."""
    message = message_factory.GetMessageClass(descriptor)()
    known = {"player_id": subject, "id": subject, "type": kind, "session_id": session}
    known |= {"subject_id": subject, "match_id": "match-1", "metric": "kills"}
    known |= {"collection_id": "npcs", "stream_id": "npc/1", "memory_id": "1", "plot_id": "p"}
    known |= {"world_id": "w", "entity_id": "e", "partition": "p", "board": "kills"}
    for field in descriptor.fields:
        inner = field.message_type
        if field.is_repeated and inner and not inner.GetOptions().map_entry:
            if {"type", "id"} <= set(inner.fields_by_name):
                getattr(message, field.name).add(type="player", id=subject)
        elif field.name in known and field.type == field.TYPE_STRING and not field.is_repeated:
            setattr(message, field.name, known[field.name])
    return message


def over_grpc(channel, method, message, token: str, seconds: float) -> str:
    """How the call ended: a code, or `going on`."""
    service = method.containing_service.full_name
    answer = message_factory.GetMessageClass(method.output_type)
    kind = f"{'stream' if method.client_streaming else 'unary'}_"
    kind += "stream" if method.server_streaming else "unary"
    call = getattr(channel, kind)(
        f"/{service}/{method.name}",
        request_serializer=lambda it: it.SerializeToString(),
        response_deserializer=answer.FromString,
    )
    asked = iter([message]) if method.client_streaming else message
    metadata = [("authorization", f"Bearer {token}")]
    try:
        answered = call(asked, metadata=metadata, timeout=seconds)
        if method.server_streaming:
            next(answered, None)
            answered.cancel()
        elif refused_within(json_format.MessageToDict(answered)):
            return "PERMISSION_DENIED"
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
            return "going on"
        return error.code().name
    return "OK"


def bindings(method):
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    return [rule, *rule.additional_bindings] if rule.WhichOneof("pattern") else []


def refused_within(answer) -> bool:
    """Of several that were asked about in one call each is refused for itself."""
    results = answer.get("results", []) if isinstance(answer, dict) else []
    refusals = [it["refusal"]["reason"] for it in results if "refusal" in it]
    return "PERMISSION_DENIED" in refusals


def over_rest(url: str, rule, message, token: str, seconds: float, streaming: bool) -> str:
    verb = rule.WhichOneof("pattern")
    path, given = getattr(rule, verb), json_format.MessageToDict(message)
    for name in list(given):
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
        if f"{{{snake}}}" in path:
            path = path.replace(f"{{{snake}}}", quote(str(given.pop(name)), safe=""))
    # What this request does not say: any word will do.
    path = re.sub(r"\{[^}]*\}", "1", path)
    body = None
    if rule.body == "*":
        body = given
    elif rule.body:
        camel = json_format.MessageToDict(message, preserving_proto_field_name=True)
        body = camel.get(rule.body, {})
        given = {}
    flat = {} if rule.body == "*" else flattened(given)
    try:
        with requests.request(
            verb.upper(),
            f"{url}{path}",
            params=flat,
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=(REFUSAL_SECONDS_MAX, seconds),
            stream=True,
        ) as answer:
            if answer.status_code == 200 and not streaming and refused_within(answer.json()):
                return "PERMISSION_DENIED"
            return {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}.get(
                answer.status_code, str(answer.status_code)
            )
    except requests.Timeout:
        return "going on"


def flattened(given: dict) -> dict:
    return {name: value for name, value in given.items() if not isinstance(value, dict | list)}


REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED")


def test_every_rpc_as_every_role(guarded, tokens, rest, methods, facts):
    wrong, asked, with_rest, own = [], 0, 0, 0
    with grpc.insecure_channel(guarded.address) as channel:
        for method in methods:
            option = method.GetOptions().Extensions[facts.method]
            admitted = role_names(facts, option.roles) | {"admin"}
            session = rest("POST", "combat/sessions", {"maxPlayers": 4}).json()["sessionId"]
            for role, subject in itertools.product(ROLES, (OWN, OTHER)):
                refused = role not in admitted or method.full_name in OF_INSTANCES
                if role == "player" and option.own_player and subject == OTHER:
                    refused, own = True, own + 1
                # Of what is about no player's own, a player may ask about what is public.
                kind = "player" if option.own_player else "match"
                message = filled(method.input_type, subject, session, kind)
                seconds = REFUSAL_SECONDS_MAX if refused else ADMITTED_SECONDS_MAX
                ways = {"gRPC": over_grpc(channel, method, message, tokens[role], seconds)}
                for rule in bindings(method):
                    way = getattr(rule, rule.WhichOneof("pattern"))
                    ways[way] = over_rest(
                        guarded.url, rule, message, tokens[role], seconds, method.server_streaming
                    )
                    with_rest += 1
                for way, outcome in ways.items():
                    asked += 1
                    right = outcome == "PERMISSION_DENIED" if refused else outcome not in REFUSED
                    if not right:
                        wanted = "refused" if refused else "admitted"
                        cell = f"{method.full_name} as {role} for {subject} by {way}"
                        wrong.append(f"{cell}: {outcome}, should be {wanted}")
    assert not wrong, "\n".join(wrong)
    assert asked >= len(methods) * len(ROLES) * 2
    assert with_rest > asked / 3, "REST was asked too"
    assert own >= 10, "a player was refused another's"


def test_whose_a_call_is_is_said_of_every_rpc_that_could_be_about_a_player(methods, facts):
    """An RPC that admits players and takes a player's id says whether he may name another."""
    public = {
        # Figures, results and places are there to be compared.
        "gamemesh.stats.v1.MatchStatsService.GetMatchPlayer",
        "gamemesh.stats.v1.MatchStatsService.GetPlayer",
        "gamemesh.stats.v1.MatchStatsService.GetRank",
        "gamemesh.stats.v1.MatchStatsService.GetRating",
        "gamemesh.stats.v1.MatchStatsService.ExplainStat",
        "gamemesh.combat.v1.CombatService.GetPlayerStats",
        # Whose sessions are listed; what is going on in them is shown with their delay.
        "gamemesh.combat.v1.CombatService.ListSessions",
    }
    unsaid = set()
    for method in methods:
        option = method.GetOptions().Extensions[facts.method]
        names = set(method.input_type.fields_by_name)
        admits = "player" in role_names(facts, option.roles)
        if admits and "player_id" in names and not option.own_player:
            unsaid.add(method.full_name)
    assert unsaid <= public, unsaid - public


def test_a_list_of_another_kind_does_not_reach_players(guarded, tokens, rest):
    """What names no player must not be a way around either."""
    schema = {"description": "Nobody's business.", "open": True}
    bearer = ("-H", f"Authorization: Bearer {tokens['admin']}")
    url = f"{guarded.url}/api/v1/state/types/ledger"
    assert curl(url, *bearer, method="PUT", body=schema).status == 200
    bearer = ("-H", f"Authorization: Bearer {tokens['player']}")
    root = f"{guarded.url}/api/v1/state"
    for path, body in (
        ("aggregates/player", None),
        ("aggregates:watch", None),
        ("aggregates/player:watch", None),
        ("aggregates/ledger", None),
        ("aggregates/ledger/1", None),
        ("aggregates/ledger/1/events", None),
    ):
        assert curl(f"{root}/{path}", *bearer, body=body).status == 403, path
    assert rest("PUT", f"state/player/{OWN}", {"level": 2}).status == 200
    both = {"keys": [{"type": "player", "id": OWN}, {"type": "player", "id": OTHER}]}
    answer = curl(f"{root}/aggregates:batchGet", *bearer, method="POST", body=both)
    assert answer.status in (200, 403), answer.body
    if answer.status == 200:
        mine, others = answer.json()["results"]
        assert "aggregate" in mine
        assert others["refusal"]["reason"] == "PERMISSION_DENIED"
        assert "level" not in json.dumps(others)


EVENT_READERS = {"game-server", "analyst", "admin"}


def test_who_wrote_an_event_and_why_is_read_by_whom_the_contract_names(
    guarded, tokens, rest, api, facts
):
    pool = descriptor_pool.Default()
    metadata = pool.FindMessageTypeByName("gamemesh.common.v1.EventMetadata")
    restricted = {
        field.json_name
        for field in metadata.fields
        if field.GetOptions().Extensions[facts.field].readers
    }
    assert "actor" in restricted
    assert "reason" in restricted
    for field in metadata.fields:
        readers = role_names(facts, field.GetOptions().Extensions[facts.field].readers)
        assert not readers or readers | {"admin"} == EVENT_READERS
    assert rest("PUT", f"state/player/{OWN}", {"level": 2}).status == 200
    traced = ("-H", f"traceparent: 00-{'4' * 32}-{'5' * 16}-01")
    bearer = ("-H", f"Authorization: Bearer {tokens['game-server']}")
    path = f"state/aggregates/player/{OWN}"
    body = {"mergePatch": {"level": 5}, "reason": "cheated"}
    url = f"{guarded.url}/api/v1/{path}"
    assert curl(url, *bearer, *traced, method="PATCH", body=body).status == 200
    for role in ROLES:
        bearer = ("-H", f"Authorization: Bearer {tokens[role]}")
        for name, way in {
            "history": f"{path}/events",
            "with its events": f"{path}?includeEvents=true",
            "replay": f"{path}:replay",
        }.items():
            answer = curl(f"{guarded.url}/api/v1/{way}", *bearer, "-H", "Accept: */*")
            assert answer.status == 200, (name, role, answer.body)
            text = answer.body.decode()
            assert ('"cheated"' in text) == (role in EVENT_READERS), (name, role, text)
            assert ("a-game-server" in text) == (role in EVENT_READERS), (name, role)
            assert ("5555555555555555" in text) == (role in EVENT_READERS), (name, role)
    state = api.grpc.StateServiceStub
    for role in ("player", "spectator", "analyst"):
        with grpc.insecure_channel(guarded.address) as channel:
            watch = state(channel).WatchAggregates(
                api.messages.WatchAggregatesRequest(type="player", id=OWN),
                metadata=[("authorization", f"Bearer {tokens[role]}")],
                timeout=REFUSAL_SECONDS_MAX,
            )
            for message in watch:
                if message.WhichOneof("message") == "begun":
                    assert rest("PATCH", path, body).status == 200
                if message.WhichOneof("message") == "change":
                    seen = message.change.event.metadata
                    assert bool(seen.reason) == bool(seen.actor) == (role in EVENT_READERS)
                    assert seen.correlation_id
                    break
            watch.cancel()
