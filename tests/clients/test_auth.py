"""With a secret configured, a token is needed, and a player's reaches only his own player."""

import base64
import json

import grpc
import pytest

from support import curl, run

SECRET = "of the client tests, and of nothing else"  # noqa: S105


@pytest.fixture
def guarded(own_server):
    return own_server(JWT_SECRET=SECRET)


def token(binary, *arguments: str) -> str:
    done = run(binary, "token", *arguments, text=True, env={"JWT_SECRET": SECRET})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def bearer(text: str) -> tuple[str, str]:
    return "-H", f"Authorization: Bearer {text}"


def unsigned(role: str) -> str:
    """A token with `alg: none`, as an attacker makes it."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part({'sub': 'x', 'role': role, 'exp': 2**33})}."


def test_without_a_token_nothing_is_answered_but_health(guarded, api):
    answer = curl(f"{guarded.url}/api/v1/state/player/ann")
    assert (answer.status, answer.reason) == (401, "UNAUTHENTICATED")
    assert curl(f"{guarded.url}/health").status == 200
    request = api.messages.GetPlayerRequest(player_id="ann")
    with grpc.insecure_channel(guarded.address) as channel:
        stub = api.grpc.StateServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetPlayer(request)
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_game_server_writes_and_a_player_reads_only_himself(guarded, binary):
    url = f"{guarded.url}/api/v1/state/player"
    server = bearer(token(binary, "--role", "game-server", "--subject", "server-1"))
    ann = bearer(token(binary, "--role", "player", "--player-id", "ann"))
    for name in ("ann", "bob"):
        body = {"status": "online", "level": 1}
        assert curl(f"{url}/{name}", *server, method="PUT", body=body).status == 200
    assert curl(f"{url}/ann", *ann).status == 200
    assert (curl(f"{url}/bob", *ann).status, curl(f"{url}/bob", *ann).reason) == (
        403,
        "PERMISSION_DENIED",
    )


def test_forged_tokens_are_refused(guarded, binary):
    url = f"{guarded.url}/api/v1/state/player/ann"
    good = token(binary, "--role", "admin", "--subject", "root")
    header, claims, signature = good.split(".")
    swapped = "A" if signature[0] != "A" else "B"
    for forged in (
        unsigned("admin"),
        f"{header}.{claims}.{swapped}{signature[1:]}",
        f"{header}.{claims}.",
        "nonsense",
    ):
        assert curl(url, *bearer(forged)).status == 401, forged
    assert curl(url, *bearer(good)).status == 404
