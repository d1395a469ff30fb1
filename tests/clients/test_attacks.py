"""What attackers try, and what they get: a refusal of one shape that is counted, and nothing else.

Beside each attack another client works on; what he is answered is asked at the end of each test.
"""

import concurrent.futures
import gzip
import json
import re
import socket
import threading
import time

import grpc
import hpack
import pytest
import requests

from mesh import AUDIENCE, ISSUER, Issuer, encoded
from support import Server, curl, run

SECRET = "0123456789abcdef-of-the-attack-tests"  # noqa: S105
SECONDS_MAX = 20
LEEWAY_SECONDS = 30


@pytest.fixture(scope="module")
def issuer(tmp_path_factory):
    made = Issuer(tmp_path_factory.mktemp("issuer"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def guarded(binary, issuer, tmp_path_factory):
    """A server as it runs in production, with both kinds of keys."""
    folder = tmp_path_factory.mktemp("attacked")
    (folder / "jwks.json").write_bytes(issuer.jwks)
    running = Server(
        binary,
        folder,
        ENVIRONMENT="production",
        JWT_SECRET=SECRET,
        JWT_JWKS_FILE=str(folder / "jwks.json"),
        JWT_ISSUER=ISSUER,
        JWT_AUDIENCE=AUDIENCE,
        PPROF_ADDR="127.0.0.1:0",
        LOG_LEVEL="debug",
        MAX_CONNECTIONS="2000",
        RATE_LIMIT_READ="50",
    ).start()
    yield running
    assert running.process.poll() is None, running.log()[-4000:]
    assert running.stop() == 0, running.log()[-4000:]
    assert "panicked" not in running.log()
    assert SECRET not in running.log()


@pytest.fixture(scope="module")
def as_server(issuer) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token('game-server', 'server-1')}"}


@pytest.fixture(scope="module")
def as_ann(issuer) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token('player', 'ann')}"}


@pytest.fixture(scope="module")
def players(guarded, as_server):
    for name in ("ann", "bob"):
        body = {"level": 3, "inventory": {"secret-of": name}}
        assert call(guarded, "PUT", f"state/player/{name}", as_server, json=body).status_code == 200


@pytest.fixture(autouse=True)
def bystander(guarded, as_server, players):
    """A client who has done nothing: after each attack he is served as before."""
    yield
    answer = call(guarded, "GET", "state/player/ann", as_server)
    assert answer.status_code == 200, answer.text
    assert answer.json()["level"] == 3 if "level" in answer.json() else True


def call(server, method: str, path: str, headers: dict, **more) -> requests.Response:
    url = f"{server.url}/api/v1/{path}"
    return requests.request(method, url, headers=headers, timeout=SECONDS_MAX, **more)


def refused(server) -> int:
    """Calls that were refused for who called, so far."""
    text = curl(f"{server.url}/metrics").body.decode()
    found = re.findall(
        r'^grpc_server_handled_total\{.*grpc_code="(?:Unauthenticated|PermissionDenied)".*\} (\d+)',
        text,
        re.MULTILINE,
    )
    return sum(map(int, found))


def shape(answer: requests.Response) -> tuple:
    """What can be seen of a refusal beside its words."""
    details = [sorted(detail) for detail in answer.json()["details"]]
    names = sorted(name for name in answer.headers if name.lower() != "date")
    return answer.status_code, sorted(answer.json()), details[0], names


def tokens(issuer) -> dict[str, str]:
    now = int(time.time())
    claims = issuer.claims("admin", "mallory")
    head = {"typ": "JWT"}

    def unsigned(algorithm: str) -> str:
        first = encoded(json.dumps(head | {"alg": algorithm}).encode())
        return f"{first}.{encoded(json.dumps(claims).encode())}."

    good = issuer.sign(claims)
    first, _, signature = good.split(".")
    forged = encoded(json.dumps(claims | {"sub": "root"}).encode())
    return {
        "forged claims": f"{first}.{forged}.{signature}",
        "another signature": f"{good[:-6]}AAAAAA",
        "no signature": good.rpartition(".")[0] + ".",
        "none": unsigned("none"),
        "None": unsigned("None"),
        "HS256 with the public key": issuer.confused(claims),
        "an unknown key": issuer.sign(claims, kid="another"),
        "expired": issuer.sign(claims | {"exp": now - LEEWAY_SECONDS - 5}),
        "not yet valid": issuer.sign(claims | {"nbf": now + LEEWAY_SECONDS + 60}),
        "another audience": issuer.sign(claims | {"aud": "another"}),
        "other audiences": issuer.sign(claims | {"aud": ["another", "a third"]}),
        "another issuer": issuer.sign(claims | {"iss": "https://mallory.example"}),
        "an unknown extension": issuer.sign(claims, crit=["b64"], b64=False),
        "an unknown role": issuer.sign(claims | {"role": "root"}),
        "no expiry": issuer.sign({k: v for k, v in claims.items() if k != "exp"}),
        "no subject": issuer.sign(claims | {"sub": ""}),
        "oversized": issuer.sign(claims | {"pad": "x" * 9_000}),
        "five parts": f"{good}.a.b",
        "words": "nonsense",
    }


def test_no_wrong_token_is_taken(guarded, issuer, api):
    before, shapes = refused(guarded), set()
    for name, token in tokens(issuer).items():
        headers = {"Authorization": f"Bearer {token}"}
        answer = call(guarded, "GET", "state/player/ann", headers)
        assert answer.status_code == 401, (name, answer.text)
        assert token not in answer.text, name
        shapes.add(str(shape(answer)))
        with grpc.insecure_channel(guarded.address) as channel:
            stub = api.grpc.StateServiceStub(channel)
            request = api.messages.GetPlayerRequest(player_id="ann")
            with pytest.raises(grpc.RpcError) as error:
                stub.GetPlayer(request, metadata=[("authorization", f"Bearer {token}")])
        assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED, name
    assert len(shapes) == 1, shapes
    assert refused(guarded) - before >= 2 * len(tokens(issuer))
    assert not [name for name, token in tokens(issuer).items() if token in guarded.log()]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic YW5uOmFubg=="},
        {"Authorization": "Bearer"},
        {"X-Authorization": "Bearer {}"},
        {"Cookie": "Authorization=Bearer {}; token={}"},
        {"Proxy-Authorization": "Bearer {}"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_a_token_counts_only_where_it_belongs(guarded, issuer, headers):
    token = issuer.token("admin", "root")
    sent = {name: value.replace("{}", token) for name, value in headers.items()}
    assert call(guarded, "GET", "state/player/ann", sent).status_code == 401


def test_a_token_in_a_url_is_no_token(guarded, issuer):
    token = issuer.token("admin", "root")
    for name in ("access_token", "token", "authorization", "jwt"):
        answer = call(guarded, "GET", f"state/player/ann?{name}={token}", {})
        assert answer.status_code in (400, 401), (name, answer.text)
        assert token not in answer.text
    assert token not in guarded.log()


def test_dates_are_numbers_with_or_without_a_fraction_and_clocks_may_differ(guarded, issuer):
    now = time.time()

    def status(**dates) -> int:
        token = issuer.token("game-server", "server-1", **dates)
        headers = {"Authorization": f"Bearer {token}"}
        return call(guarded, "GET", "state/player/ann", headers).status_code

    assert status(exp=now + 60.5) == 200
    assert status(exp=now + 60.5, nbf=now - 0.5, iat=now - 0.25) == 200
    # The stated leeway, both ways.
    assert status(exp=now - LEEWAY_SECONDS + 15) == 200
    assert status(exp=now - LEEWAY_SECONDS - 2) == 401
    assert status(exp=now + 60, nbf=now + LEEWAY_SECONDS - 15) == 200
    assert status(exp=now + 60, nbf=now + LEEWAY_SECONDS + 15) == 401


def test_a_stream_ends_with_its_token(guarded, issuer, api, as_server):
    """The leeway passes first: a stream lives as long as a new call would be let in."""
    token = issuer.token("player", "ann", exp=time.time() - LEEWAY_SECONDS + 3)
    metadata = [("authorization", f"Bearer {token}")]
    began = time.monotonic()
    with grpc.insecure_channel(guarded.address) as channel:
        stub = api.grpc.StateServiceStub(channel)
        request = api.messages.WatchAggregatesRequest(type="player", id="ann")
        watch = stub.WatchAggregates(request, metadata=metadata, timeout=SECONDS_MAX)
        with pytest.raises(grpc.RpcError) as ended:
            for _ in watch:
                pass
    assert ended.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert "expired" in ended.value.details()
    assert 0.5 < time.monotonic() - began < 15


def test_another_player_is_not_reached_by_any_way(guarded, as_ann, players):
    before = refused(guarded)
    bob = {"type": "player", "id": "bob"}
    for method, path, body in (
        ("GET", "state/player/bob", None),
        ("GET", "state/aggregates/player/bob", None),
        ("GET", "state/aggregates/player/bob/events", None),
        ("GET", "state/aggregates/player/bob?version=1", None),
        ("GET", "state/aggregates/player/bob:replay", None),
        ("GET", "state/aggregates/player/bob:watch", None),
        ("GET", "state/aggregates:watch", None),
        ("GET", "state/aggregates/player", None),
        ("PUT", "state/player/bob", {"level": 900}),
        ("PATCH", "state/aggregates/player/bob", {"mergePatch": {"level": 900}}),
        (
            "POST",
            "state/transactions",
            {"parts": [bob | {"mergePatch": {"level": 900}}]},
        ),
        ("POST", "state/aggregates:batchUpdate", {"updates": [bob]}),
        ("GET", "memory/history/bob", None),
        ("POST", "memory/collections/npcs/npcs/1:recall", {"text": "bob"}),
    ):
        answer = call(guarded, method, path, as_ann, json=body)
        assert answer.status_code == 403, (method, path, answer.text)
        assert "secret-of" not in answer.text, (method, path)
    batch = call(
        guarded,
        "POST",
        "state/aggregates:batchGet",
        as_ann,
        json={"keys": [{"type": "player", "id": "ann"}, bob]},
    )
    assert '"secret-of":"bob"' not in batch.text.replace(" ", "")
    # A query beside the path must not replace what the path says.
    for query in ("playerId=bob", "player_id=bob", "id=bob"):
        answer = call(guarded, "GET", f"state/player/ann?{query}", as_ann)
        assert "bob" not in json.dumps(answer.json().get("player", {})), query
    assert refused(guarded) - before >= 10


def test_a_filter_does_not_tell_about_others(guarded, as_ann, as_server):
    """A filter is asked after it is known whose data it is about."""
    for filter_ in ("state.level=3", "level>0", "id=bob"):
        answer = call(
            guarded, "GET", "state/aggregates/player:watch", as_ann, params={"filter": filter_}
        )
        assert answer.status_code == 403, answer.text


def test_a_token_of_anothers_watch_is_of_no_use(guarded, as_ann, as_server):
    with requests.get(
        f"{guarded.url}/api/v1/state/aggregates/player/bob:watch",
        headers=as_server | {"Accept": "application/x-ndjson"},
        stream=True,
        timeout=SECONDS_MAX,
    ) as watch:
        for line in watch.iter_lines():
            token = json.loads(line).get("resumeToken")
            if token:
                break
    for path in ("state/aggregates/player/bob:watch", "state/aggregates/player/ann:watch"):
        answer = call(guarded, "GET", path, as_ann, params={"resumeToken": token})
        assert answer.status_code in (400, 403), answer.text


def test_roles_do_not_grow_by_a_mask(guarded, as_ann, as_server):
    for mask in ("status", "role", "player.role", "*"):
        answer = call(
            guarded,
            "PUT",
            "state/player/ann",
            as_ann,
            params={"updateMask": mask},
            json={"level": 1000},
        )
        assert answer.status_code in (400, 403), (mask, answer.text)
    assert call(guarded, "GET", "state/player/ann", as_server).status_code == 200


RESERVED = (
    "Authorization",
    "authorization",
    "Grpc-Timeout",
    "Content-Type",
    "Te",
    "Connection",
    "Transfer-Encoding",
    "Host",
    "Upgrade",
    "Proxy-Authorization",
    "X-Gamemesh-Forwarded",
    "Idempotency-Key",
    "Traceparent",
)


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_are_refused_under_another_name(guarded, as_ann, issuer, name):
    value = f"Bearer {issuer.token('admin', 'root')}"
    headers = as_ann | {f"Grpc-Metadata-{name}": value}
    answer = call(guarded, "GET", "state/player/bob", headers)
    assert answer.status_code == 400, answer.text
    assert value not in answer.text
    # Without a token of one's own it is none the better.
    alone = call(guarded, "GET", "state/player/bob", {f"Grpc-Metadata-{name}": value})
    assert alone.status_code in (400, 401)


def test_headers_of_the_protocol_change_nothing(guarded, as_ann):
    hop = {"Connection": "close, Authorization", "TE": "trailers", "Grpc-Encoding": "gzip"}
    hop |= {"Grpc-Status": "0", "Keep-Alive": "x", "X-Gamemesh-Forwarded": "1"}
    answer = call(guarded, "GET", "state/player/bob", as_ann | hop)
    assert answer.status_code == 403, answer.text


def raw(server, data: bytes) -> bytes:
    """What is answered to these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS_MAX) as opened:
        try:
            opened.sendall(data)
            opened.shutdown(socket.SHUT_WR)
            answer = b""
            while part := opened.recv(65536):
                answer += part
        except ConnectionError:
            return b""
        return answer


def test_ids_that_are_endless_or_break_lines_are_not_taken(guarded, as_server):
    bearer = f"Authorization: {as_server['Authorization']}"
    for name in ("X-Correlation-Id", "X-Request-Id", "traceparent"):
        long = (
            f"GET /api/v1/state/player/ann HTTP/1.1\r\nHost: a\r\n{bearer}\r\n{name}: {'y' * 65536}"
        )
        answer = raw(guarded, f"{long}\r\n\r\n".encode())
        assert b"y" * 200 not in answer, name
    for evil in (
        "a\r\nX-Injected: 1",
        "a\rX-Injected: 1",
        "a\nX-Injected: 1",
        "a\x00b",
        "a%0d%0aX-Injected: 1",
    ):
        asked = f"GET /api/v1/state/player/ann HTTP/1.1\r\nHost: a\r\n{bearer}\r\n"
        asked += f"Connection: close\r\nX-Correlation-Id: {evil}\r\n\r\n"
        head = raw(guarded, asked.encode()).partition(b"\r\n\r\n")[0]
        names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
        assert b"x-injected" not in names, evil
    assert "y" * 200 not in guarded.log()
    assert not [line for line in guarded.log().splitlines() if not line.startswith("{")]


@pytest.mark.parametrize("compressed", [False, True], ids=["REST", "gRPC"])
def test_a_small_body_does_not_become_a_large_one(guarded, as_server, api, compressed):
    bomb = gzip.compress(b"\0" * (64 << 20))
    assert len(bomb) < 100_000
    if not compressed:
        headers = as_server | {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        answer = call(guarded, "PUT", "state/player/ann", headers, data=bomb)
        assert answer.status_code in (400, 413, 415), answer.text
        return
    with grpc.insecure_channel(guarded.address) as channel:
        stub = api.grpc.StateServiceStub(channel)
        request = api.messages.GetPlayerRequest(player_id="a" * (64 << 20))
        with pytest.raises(grpc.RpcError) as error:
            stub.GetPlayer(
                request,
                compression=grpc.Compression.Gzip,
                metadata=[("authorization", as_server["Authorization"])],
                timeout=SECONDS_MAX,
            )
    expected = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.OUT_OF_RANGE)
    expected += (grpc.StatusCode.INVALID_ARGUMENT,)
    assert error.value.code() in expected, error.value


class Http2:
    """One connection on which frames are sent by hand, as fast as an attacker would."""

    DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
    ACK, END_HEADERS = 1, 4
    MAX_CONCURRENT_STREAMS = 3

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS_MAX)
        self.read = b""
        fields = [
            (":method", "POST"),
            (":path", "/gamemesh.state.v1.StateService/GetPlayer"),
            (":scheme", "http"),
            (":authority", server.address),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        encoder = hpack.Encoder()
        first = encoder.encode(fields)
        # All of it is in the tables of both sides by now.
        self.block = encoder.encode(fields)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(self.SETTINGS, 0, 0))
        self.socket.sendall(frame(self.HEADERS, self.END_HEADERS, 1, first))

    def open(self, stream: int) -> bytes:
        return frame(self.HEADERS, self.END_HEADERS, stream, self.block)

    def frames(self):
        """The frames that come, until the other side ends or is silent."""
        try:
            while True:
                while len(self.read) < 9 or len(self.read) < 9 + self._length():
                    data = self.socket.recv(65536)
                    if not data:
                        return
                    self.read += data
                end = 9 + self._length()
                yield self.read[3], self.read[4], self.read[9:end]
                self.read = self.read[end:]
        except (ConnectionError, TimeoutError):
            return

    def _length(self) -> int:
        return int.from_bytes(self.read[:3], "big")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload


def test_streams_that_are_opened_and_reset_end_the_connection(guarded):
    """CVE-2023-44487: it is the connection that pays, and nobody else."""
    attacker = Http2(guarded)
    cancel = (8).to_bytes(4, "big")
    ended = False
    try:
        for first in range(3, 20_003, 200):
            streams = range(first, first + 200, 2)
            attacker.socket.sendall(
                b"".join(
                    attacker.open(stream) + frame(Http2.RST_STREAM, 0, stream, cancel)
                    for stream in streams
                )
            )
        attacker.socket.settimeout(10)
        ended = any(kind == Http2.GOAWAY for kind, _, _ in attacker.frames())
    except ConnectionError:
        ended = True
    assert ended, "10,000 streams were opened and reset, and the connection lives on"


def test_ten_thousand_streams_are_not_open_at_once(guarded):
    attacker = Http2(guarded)
    settings = next(payload for kind, _, payload in attacker.frames() if kind == Http2.SETTINGS)
    pairs = [settings[at : at + 6] for at in range(0, len(settings), 6)]
    allowed = {int.from_bytes(it[:2], "big"): int.from_bytes(it[2:], "big") for it in pairs}
    allowed = allowed[Http2.MAX_CONCURRENT_STREAMS]
    assert allowed <= 1024
    # He does not keep to it.
    try:
        for first in range(3, 20_003, 200):
            streams = range(first, first + 200, 2)
            attacker.socket.sendall(b"".join(attacker.open(stream) for stream in streams))
    except ConnectionError:
        pass
    attacker.socket.settimeout(2)
    told = [kind for kind, _, _ in attacker.frames()]
    assert Http2.RST_STREAM in told or Http2.GOAWAY in told, "he is told nothing"
    text = curl(f"{guarded.url}/metrics").body.decode()
    in_flight = re.findall(r"^grpc_server_in_flight\{[^}]*\} (\d+)", text, re.MULTILINE)
    assert sum(map(int, in_flight)) <= allowed + 10
    attacker.socket.close()


def test_a_thousand_connections_of_one_client_leave_room_for_others(guarded, as_server):
    opened = []
    try:
        for _ in range(1000):
            opened.append(socket.create_connection(("127.0.0.1", guarded.port), timeout=5))
        for slow in opened[::10]:
            slow.sendall(b"GET /api/v1/state/player/ann HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        began = time.monotonic()
        for _ in range(5):
            assert call(guarded, "GET", "state/player/ann", as_server).status_code == 200
        assert time.monotonic() - began < SECONDS_MAX
    finally:
        for it in opened:
            it.close()


def test_a_player_is_held_to_his_rate_and_others_are_not(guarded, issuer, as_server):
    limited = threading.Event()
    carl = {"Authorization": f"Bearer {issuer.token('player', 'carl')}"}

    def flood(_) -> None:
        with requests.Session() as session:
            for _ in range(400):
                url = f"{guarded.url}/api/v1/state/player/carl"
                answer = session.get(url, headers=carl, timeout=SECONDS_MAX)
                if answer.status_code == 429:
                    assert int(answer.headers["retry-after"]) >= 0
                    limited.set()
                if limited.is_set():
                    return

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(flood, range(4)))
    assert limited.is_set(), "1,600 reads of one player at once"
    assert call(guarded, "GET", "state/player/ann", as_server).status_code == 200


def test_secrets_are_not_told(guarded, binary, tmp_path, issuer, as_server):
    """Not by errors, the log, metrics, nor what is under /debug."""
    token = as_server["Authorization"].removeprefix("Bearer ")
    seen = guarded.log()
    for path in ("/metrics", "/health", "/ready", "/debug/pprof", "/debug/log-level", "/docs"):
        seen += curl(f"{guarded.url}{path}").body.decode(errors="replace")
    seen += call(guarded, "GET", "state/player/%ff", as_server).text
    for secret in (SECRET, token, issuer.key.read_text().splitlines()[1]):
        assert secret not in seen
    # A database that cannot be reached, with a password in its URL.
    url = "postgres://u:hush-hush@127.0.0.1:1/x"
    done = run(binary, "serve", "--database-url", url, text=True, cwd=tmp_path)
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "127.0.0.1" in told
    assert "hush-hush" not in told


def test_only_an_administrator_changes_what_is_logged(guarded, issuer, as_ann, as_server):
    url = f"{guarded.url}/debug/log-level"
    admin = {"Authorization": f"Bearer {issuer.token('admin', 'root')}"}

    def asked(method: str, headers: dict, **more) -> requests.Response:
        return requests.request(method, url, headers=headers, timeout=SECONDS_MAX, **more)

    for headers, status in (({}, 401), (as_ann, 403), (as_server, 403)):
        assert asked("PUT", headers, params={"level": "off"}).status_code == status
        assert asked("GET", headers).status_code == status
    assert asked("GET", admin).json() == {"level": "debug", "configured": "debug"}
    for wrong in ("", "loud=very", "info,=x=y"):
        answer = asked("PUT", admin, params={"level": wrong})
        assert answer.status_code == 400, (wrong, answer.text)

    def lines_of_a_call(level: str) -> int:
        changed = asked("PUT", admin, params={"level": level}).json()
        assert changed == {"level": level, "configured": "debug"}
        tag = f"logged-by-{level}"
        headers = as_server | {"X-Correlation-Id": tag}
        assert call(guarded, "GET", "state/player/nobody", headers).status_code == 404
        return guarded.log().count(tag)

    assert lines_of_a_call("warn") == 0
    assert lines_of_a_call("debug") > 0
    assert lines_of_a_call("info") == 0
