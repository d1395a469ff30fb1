"""The chart's routes in a real Envoy, before real instances of the four services on one PostgreSQL.

What Istio would make of the chart's manifests is made by `envoy.py`; what is asked here are the
chart's promises: each protocol comes through, tokens are checked at the edge, a player keeps his
instance, only what is safe is repeated, a sick instance is left out, and a release is rolled out
without a failed request.
"""

import concurrent.futures
import http.server
import json
import socket
import threading
import time

import grpc
import pytest
import requests
from opentelemetry.proto.trace.v1 import trace_pb2
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from collector import Collector
from envoy import Envoy
from mesh import HOST, Backends, Mesh, encoded
from support import curl
from test_grpc_web import frame, parse
from test_streams import CurlStream, ndjson, sse

# Its servers take their time to start where others build.
pytestmark = pytest.mark.timeout(300)

SECONDS_MAX = 20
SPAN_KIND = trace_pb2.Span.SpanKind


@pytest.fixture(scope="module")
def collector():
    made = Collector()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def mesh(binary, collector, tmp_path_factory):
    backends = Backends("postgres", "kafka")
    values = {"kafka": {"enabled": True, "brokers": backends.urls["KAFKA_BROKERS"].split(",")}}
    try:
        made = Mesh(binary, tmp_path_factory.mktemp("mesh"), values, collector, backends.urls)
        try:
            yield made.start()
        finally:
            made.stop()
    finally:
        backends.down()


@pytest.fixture(scope="module")
def game_server(mesh) -> dict[str, str]:
    return {"Host": HOST} | mesh.bearer("game-server", "server-1")


@pytest.fixture(scope="module")
def through(mesh):
    """A gRPC channel to the gateway."""
    options = [("grpc.default_authority", HOST)]
    with grpc.insecure_channel(f"127.0.0.1:{mesh.envoy.port}", options) as channel:
        yield channel


def metadata(headers: dict[str, str], **more) -> list[tuple[str, str]]:
    made = [(name.lower(), value) for name, value in headers.items() if name != "Host"]
    return made + list(more.items())


def arguments(headers: dict[str, str]) -> list[str]:
    return [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]


def open_socket(mesh, path: str, headers: dict[str, str], **options):
    """A WebSocket through the gateway."""
    raw = socket.create_connection(("127.0.0.1", mesh.envoy.port))
    more = {name: value for name, value in headers.items() if name != "Host"}
    return connect(
        f"ws://{HOST}{path}",
        sock=raw,
        additional_headers=more,
        open_timeout=SECONDS_MAX,
        **options,
    )


def create_session(mesh, headers: dict[str, str], **fields) -> str:
    """A session of combat. An instance that may not own it says so: another one is asked."""
    url = f"{mesh.envoy.url}/api/v1/combat/sessions"
    for _ in range(20):
        made = curl(url, *arguments(headers), method="POST", body=fields)
        if made.status != 503:
            break
    assert made.status == 200, made.body
    return made.json()["sessionId"]


def play(mesh, path: str, headers: dict[str, str], hello: dict, offered=("combat.v1.json",)):
    """A socket to a session and its welcome, where it takes several tries: see `create_session`."""
    for _ in range(20):
        opened = open_socket(mesh, path, headers, subprotocols=list(offered))
        opened.send(json.dumps({"seq": 1, "hello": hello}))
        try:
            first = json.loads(opened.recv(SECONDS_MAX))
        except ConnectionClosed as closed:
            first = {"closed": str(closed)}
        if "welcome" in first:
            return opened, first["welcome"]
        opened.close()
    raise AssertionError(first)


def test_grpc(api, mesh, through, game_server, new_id):
    state = api.grpc.StateServiceStub(through)
    player = api.player.PlayerState(status="online", level=3)
    request = api.messages.PutPlayerRequest(player_id=new_id, player=player)
    state.PutPlayer(request, metadata=metadata(game_server))
    answer, call = state.GetPlayer.with_call(
        api.messages.GetPlayerRequest(player_id=new_id), metadata=metadata(game_server)
    )
    assert answer.player.level == 3
    headers = dict(call.initial_metadata())
    assert headers["x-test-route"] == "state-grpc-safe"
    assert int(headers["x-test-pod"]) in mesh.ports(mesh.service("state"))
    watch = state.WatchAggregates(
        api.messages.WatchAggregatesRequest(type="player", id=new_id),
        metadata=metadata(game_server),
        timeout=SECONDS_MAX,
    )
    assert next(watch).WhichOneof("message") == "present"
    watch.cancel()


def test_grpc_web(api, mesh, game_server):
    request = frame(api.messages.GetTypeRequest(type="player").SerializeToString())
    answer = requests.post(
        f"{mesh.envoy.url}/gamemesh.state.v1.StateService/GetType",
        data=request,
        headers=game_server
        | {"Content-Type": "application/grpc-web+proto", "Origin": "https://game.example"},
        timeout=SECONDS_MAX,
    )
    assert answer.status_code == 200
    assert answer.headers["x-test-route"] == "state-grpc-safe"
    messages, trailers = parse(answer.content)
    assert trailers["grpc-status"] == "0"
    assert api.messages.GetTypeResponse.FromString(messages[0]).schema.type == "player"


def test_rest_of_all_four_services(mesh, game_server, new_id):
    event = {
        "eventId": "00000000-0000-4000-8000-000000000001",
        "matchId": new_id,
        "playerId": "ann",
        "eventType": "player_join",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    for service, method, path, body in (
        ("state", "PUT", f"state/player/{new_id}", {"level": 3}),
        ("state", "GET", f"state/player/{new_id}", None),
        ("combat", "GET", "combat/sessions", None),
        ("stats", "POST", "match-stats/events", {"events": [event]}),
        ("memory", "PUT", f"memory/entities/{new_id}", {"type": "npc", "data": {}}),
        ("memory", "GET", f"memory/entities/{new_id}", None),
    ):
        answer = curl(
            f"{mesh.envoy.url}/api/v1/{path}", *arguments(game_server), method=method, body=body
        )
        assert answer.status == 200, (path, answer.body)
        expected = f"{service}-rest{'-safe' if method == 'GET' else ''}"
        assert answer.headers["x-test-route"] == expected, path
        assert int(answer.headers["x-test-pod"]) in mesh.ports(mesh.service(service)), path


@pytest.mark.parametrize("accept", ["text/event-stream", "application/x-ndjson"])
def test_streams_over_rest_have_no_end_of_the_gateways(mesh, game_server, new_id, accept):
    url = f"{mesh.envoy.url}/api/v1/state/player/{new_id}"
    assert curl(url, *arguments(game_server), method="PUT", body={"level": 1}).status == 200
    watch = f"{mesh.envoy.url}/api/v1/state/aggregates/player/{new_id}:watch"
    more = [*arguments(game_server), "--dump-header", "/dev/stderr"]
    with CurlStream(watch, accept, *more) as stream:
        if accept == "text/event-stream":
            messages = (message for _, _, message in sse(stream))
        else:
            messages = ndjson(stream)
        assert "present" in next(messages)
        assert "begun" in next(messages)
        assert curl(url, *arguments(game_server), method="PUT", body={"level": 2}).status == 200
        assert next(messages)["change"]["aggregate"]["state"]["level"] == 2
    # A stream that is refused tells its route as well as one that goes on.
    none = f"{mesh.envoy.url}/api/v1/state/aggregates/no such/{new_id}:watch".replace(" ", "%20")
    refused = curl(none, *arguments(game_server), "-H", f"Accept: {accept}")
    assert refused.headers["x-test-route"] == "state-sockets"


def test_websockets(mesh, game_server, new_id):
    url = f"{mesh.envoy.url}/api/v1/state/player/{new_id}"
    assert curl(url, *arguments(game_server), method="PUT", body={"level": 1}).status == 200
    path = f"/api/v1/state/aggregates/player/{new_id}:watch"
    with open_socket(mesh, path, game_server) as opened:
        assert "present" in json.loads(opened.recv(SECONDS_MAX))
    # A browser sends its token as a sub-protocol: the edge has none to check, the service has.
    session = create_session(mesh, game_server, name="socket", maxPlayers=4)
    path = f"/api/v1/combat/sessions/{session}/ws"
    offered = ["combat.v1.json", f"bearer.{mesh.issuer.token('player', 'ann')}"]
    opened, welcome = play(mesh, path, {}, {"playerId": "ann", "join": True}, offered)
    assert welcome["seat"] >= 0
    opened.close()


def test_tokens_are_checked_at_the_edge(mesh, game_server):
    """What the edge refuses reaches no pod."""
    issuer = mesh.issuer
    url = f"{mesh.envoy.url}/api/v1/state/player/nobody"
    claims = issuer.claims("admin", "mallory")
    now = int(time.time())
    head = {"alg": "none", "typ": "JWT"}
    none = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(claims).encode())}."
    good = issuer.sign(claims)
    cases = {
        "expired": issuer.sign(claims | {"exp": now - 600}),
        "not yet": issuer.sign(claims | {"nbf": now + 600}),
        "another audience": issuer.sign(claims | {"aud": "another"}),
        "another issuer": issuer.sign(claims | {"iss": "https://mallory.example"}),
        "unsigned": none,
        "the public key as a secret": issuer.confused(claims),
        "another signature": f"{good[:-8]}AAAAAAAA",
    }
    before = mesh.envoy.statistic(r"^http.gateway.downstream_rq_completed$")
    for name, token in cases.items():
        answer = curl(url, "-H", f"Host: {HOST}", "-H", f"Authorization: Bearer {token}")
        assert answer.status in (401, 403), name
        assert "x-envoy-upstream-service-time" not in answer.headers, name
    assert mesh.envoy.statistic(r"^http.gateway.downstream_rq_completed$") > before
    without = curl(url, "-H", f"Host: {HOST}")
    assert without.status == 403
    assert "x-envoy-upstream-service-time" not in without.headers
    assert curl(url, *arguments(game_server)).status == 404
    # In a URL a token ends up in logs: nobody looks for it there.
    assert curl(f"{url}?access_token={good}", "-H", f"Host: {HOST}").status == 403
    # A browser's stream of events brings it as a cookie.
    events = ("-H", f"Host: {HOST}", "-H", "Accept: text/event-stream")
    assert curl(url, *events, "-H", f"Cookie: gamemesh-stream={good}").status == 404
    assert curl(url, *events, "-H", f"Cookie: gamemesh-stream={good}x").status == 401
    # A browser asks without a token whether it may send one; the service answers that.
    asked = curl(url, "-H", f"Host: {HOST}", "-H", "Origin: https://a.example", method="OPTIONS")
    assert "x-envoy-upstream-service-time" in asked.headers


def test_what_is_for_operators_is_not_behind_the_gateway(mesh, game_server):
    for path in ("/metrics", "/debug/pprof/profile", "/nothing"):
        assert curl(f"{mesh.envoy.url}{path}", *arguments(game_server)).status in (403, 404), path
    elsewhere = game_server | {"Host": "another.example"}
    answer = curl(f"{mesh.envoy.url}/api/v1/state/player/nobody", *arguments(elsewhere))
    assert answer.status == 404
    assert "x-test-pod" not in answer.headers


def test_a_player_of_combat_keeps_his_instance(mesh, game_server):
    url = f"{mesh.envoy.url}/api/v1/combat/sessions"
    pods = set()
    for _ in range(20):
        with requests.Session() as session:
            first = session.get(url, headers=game_server, timeout=SECONDS_MAX)
            cookie = first.headers["set-cookie"].split(";")[0]
            pods.add(first.headers["x-test-pod"])
            with_cookie = game_server | {"Cookie": cookie}
            for _ in range(3):
                again = requests.get(url, headers=with_cookie, timeout=SECONDS_MAX)
                assert again.headers["x-test-pod"] == first.headers["x-test-pod"]
    assert len(pods) == 2, "players are spread over the instances"


class Sick:
    """A pod whose every answer is that it is not available; it counts who asked."""

    def __init__(self):
        self.asked: list[tuple[str, str]] = []
        sick = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                sick.asked.append((self.command, self.path))
                self.send_response(503)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_PUT = answer

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.grpc = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        self.grpc.add_generic_rpc_handlers((self,))
        self.grpc_port = self.grpc.add_insecure_port("127.0.0.1:0")
        self.grpc.start()

    @property
    def port(self) -> int:
        return self.http.server_address[1]

    def service(self, details):
        def refuse(_, context):
            self.asked.append(("gRPC", details.method))
            context.abort(grpc.StatusCode.UNAVAILABLE, "sick")

        return grpc.unary_unary_rpc_method_handler(refuse)

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
        self.grpc.stop(0)


@pytest.fixture
def beside_a_sick_one(mesh, tmp_path):
    """A gateway of its own, whose state has one pod that works and one that does not."""
    sick = Sick()
    envoy = Envoy(mesh.manifests, tmp_path / "envoy", mesh.issuer.port, mesh.collector.port)
    endpoints = {name: mesh.ports(name) for name in mesh.pods}
    state = mesh.service("state")
    well = mesh.ports(state)[0]
    envoy.folder.mkdir()
    for name, ports in endpoints.items():
        envoy.move(name, ports)
    envoy.move(state, [well, sick.port], grpc_ports=[well, sick.grpc_port])
    envoy.start({})
    yield envoy, sick
    envoy.stop()
    sick.stop()


def ejected(envoy, port: str) -> int:
    return envoy.statistic(rf"^cluster.*state.{port}.outlier_detection.ejections_active$")


def test_only_what_is_safe_is_repeated_and_the_sick_are_left_out(
    api, beside_a_sick_one, game_server, new_id
):
    envoy, sick = beside_a_sick_one
    url = f"{envoy.url}/api/v1/state/player/{new_id}"

    def call(method: str, body=None) -> int:
        return curl(url, *arguments(game_server), method=method, body=body).status

    # Writes first: they are not repeated, so each that the sick one has got fails.
    failed = 0
    for level in range(40):
        failed += call("PUT", {"level": level}) == 503
        if ejected(envoy, "8081"):
            break
    assert failed == len([it for it in sick.asked if it[0] == "PUT"]) == 5
    # The sick one is left out now, and nothing fails any more.
    assert ejected(envoy, "8081") == 1
    assert {call("PUT", {"level": 7}) for _ in range(10)} == {200}
    assert len(sick.asked) == 5

    # Over gRPC the same pod is another endpoint, which has not been found out yet: reads that meet
    # it are repeated elsewhere, and their callers see nothing of it.
    options = [("grpc.default_authority", HOST)]
    with grpc.insecure_channel(f"127.0.0.1:{envoy.port}", options) as channel:
        state = api.grpc.StateServiceStub(channel)
        for _ in range(40):
            request = api.messages.GetPlayerRequest(player_id=new_id)
            answer = state.GetPlayer(request, metadata=metadata(game_server))
            assert answer.player.level == 7
            if ejected(envoy, "8080"):
                break
    assert ("gRPC", "/gamemesh.state.v1.StateService/GetPlayer") in sick.asked
    assert ejected(envoy, "8080") == 1


class Load:
    """Players who go on while instances come and go. A request that fails is kept."""

    def __init__(self, mesh, api, headers, tag: str):
        self.mesh, self.api, self.headers, self.tag = mesh, api, headers, tag
        self.failed: list[str] = []
        self.count = 0
        self.written: dict[str, int] = {}
        self.over = threading.Event()
        self.threads = [
            threading.Thread(target=self.rest, args=(f"{tag}-rest",)),
            threading.Thread(target=self.grpc, args=(f"{tag}-grpc",)),
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(30)

    def rest(self, player: str) -> None:
        url = f"{self.mesh.envoy.url}/api/v1/state/player/{player}"
        sessions = f"{self.mesh.envoy.url}/api/v1/combat/sessions"
        level = 0
        with requests.Session() as session:
            session.headers.update(self.headers)
            while not self.over.is_set():
                level = level % 100 + 1
                for method, where, body in (
                    ("PUT", url, {"level": level}),
                    ("GET", url, None),
                    ("GET", sessions, None),
                ):
                    answer = session.request(method, where, json=body, timeout=SECONDS_MAX)
                    self.count += 1
                    if answer.status_code != 200:
                        self.failed.append(f"{method} {where}: {answer.status_code} {answer.text}")
                self.written[player] = level

    def grpc(self, player: str) -> None:
        options = [("grpc.default_authority", HOST)]
        level = 0
        with grpc.insecure_channel(f"127.0.0.1:{self.mesh.envoy.port}", options) as channel:
            state = self.api.grpc.StateServiceStub(channel)
            while not self.over.is_set():
                level = level % 100 + 1
                put = self.api.messages.PutPlayerRequest(
                    player_id=player, player=self.api.player.PlayerState(level=level)
                )
                get = self.api.messages.GetPlayerRequest(player_id=player)
                try:
                    state.PutPlayer(put, metadata=metadata(self.headers), timeout=SECONDS_MAX)
                    state.GetPlayer(get, metadata=metadata(self.headers), timeout=SECONDS_MAX)
                except grpc.RpcError as error:
                    self.failed.append(f"{error.code()} {error.details()}")
                self.count += 2
                self.written[player] = level


def test_a_release_is_rolled_out_under_load(api, mesh, game_server, new_id):
    """Not one request fails, nothing acknowledged is lost, who plays on a socket reconnects."""
    session = create_session(mesh, game_server, maxPlayers=4)
    path = f"/api/v1/combat/sessions/{session}/ws"
    player = mesh.bearer("player", "ann")
    opened, welcome = play(mesh, path, player, {"playerId": "ann", "join": True})
    with Load(mesh, api, game_server, new_id) as load:
        mesh.roll("state")
        mesh.roll("combat")
        time.sleep(0.5)
    assert load.failed == []
    assert load.count > 50, "the load has gone on"
    for name, level in load.written.items():
        answer = curl(f"{mesh.envoy.url}/api/v1/state/player/{name}", *arguments(game_server))
        assert answer.json().get("level", 0) == level, name
    opened.close()
    again, resumed = play(mesh, path, player, {"resumeToken": welcome["resumeToken"]})
    again.close()
    assert resumed["resumed"]
    assert resumed["seat"] == welcome["seat"]


def until(collector, trace: str, is_whole):
    """The spans of a trace once they are whole; they come in batches."""
    deadline = time.monotonic() + SECONDS_MAX
    while not is_whole(spans := collector.trace(trace)):
        assert time.monotonic() < deadline, f"it is not whole: {spans}; {collector.spans[-3:]}"
        time.sleep(0.1)
    return spans


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


def w3c(trace: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{SPAN}-01"}


def b3(trace: str) -> dict[str, str]:
    return {"x-b3-traceid": trace, "x-b3-spanid": SPAN, "x-b3-sampled": "1"}


@pytest.mark.parametrize(("form", "kind"), [(w3c, "W3C"), (b3, "B3")], ids=["W3C", "B3"])
def test_a_request_is_one_trace_through_gateway_service_sql_and_kafka(
    mesh, collector, game_server, new_id, form, kind
):
    trace = f"{TRACE[:-4]}{'aaaa' if kind == 'W3C' else 'bbbb'}"
    port = mesh.envoy.port if kind == "W3C" else mesh.envoy.b3_port
    url = f"http://127.0.0.1:{port}/api/v1/state/player/{new_id}"
    headers = game_server | form(trace)
    assert curl(url, *arguments(headers), method="PUT", body={"level": 1}).status == 200

    def is_whole(spans) -> bool:
        # Envoy calls itself a client in B3 and a server in W3C.
        gateway = any(span.service == "gateway" for span in spans)
        by = {span.kind for span in spans if span.service == "gamemesh"}
        kinds = SPAN_KIND.SPAN_KIND_SERVER, SPAN_KIND.SPAN_KIND_CLIENT, SPAN_KIND.SPAN_KIND_PRODUCER
        return gateway and by >= set(kinds) and not orphans(spans)

    spans = until(collector, trace, is_whole)
    check_tree(spans)
    names = {span.name for span in spans}
    assert "gamemesh.state.v1.StateService/PutPlayer" in names
    assert "append postgresql" in names
    assert "publish game.state.events" in names


def orphans(spans) -> list:
    """Spans whose parent nobody knows."""
    known = {span.id for span in spans} | {SPAN}
    return [span for span in spans if span.parent not in known]


def check_tree(spans) -> None:
    """One root, which is the caller's child, and nothing that hangs in the air."""
    assert orphans(spans) == []
    assert any(span.parent == SPAN and span.service == "gateway" for span in spans)
    entry = {span.id for span in spans if span.service == "gateway"}
    assert any(span.parent in entry and span.service == "gamemesh" for span in spans)


def test_what_is_said_on_a_socket_is_part_of_its_trace(mesh, collector, game_server):
    session = create_session(mesh, game_server, maxPlayers=4)
    path = f"/api/v1/combat/sessions/{session}/ws"
    trace = f"{TRACE[:-4]}cccc"
    headers = mesh.bearer("player", "ann") | w3c(trace)
    opened, _ = play(mesh, path, headers, {"playerId": "ann", "join": True})
    opened.close()

    # The gateway's span ends with the socket, after that of the service.
    spans = until(collector, trace, lambda spans: services(spans) >= BOTH and not orphans(spans))
    check_tree(spans)
    names = {span.name for span in spans if span.service == "gamemesh"}
    assert "GET /api/v1/combat/sessions/{session_id}/ws" in names


BOTH = {"gateway", "gamemesh"}


def services(spans) -> set[str]:
    return {span.service for span in spans}
