"""`gamemesh doctor`, told what the chart tells a pod: it finds what is missing, away or wrong."""

import json
import os
import socket
import ssl
import threading

import pytest

from mesh import rendered
from support import run, tool

SECRET = "0123456789abcdef-of-the-doctor-tests"  # noqa: S105
VALUES = {
    "postgresql": {"existingSecret": "database"},
    "auth": {"existingSecret": "auth"},
    "kafka": {"enabled": True, "brokers": ["127.0.0.1:1"]},
}


@pytest.fixture
def doctor(binary, tmp_path):
    """Its findings about the state's pods with these values, and secrets, and anything beside."""

    def examine(values: dict, **given: str) -> tuple[int, dict[str, dict]]:
        deployment = rendered(values, tmp_path).of("Deployment")["play-gamemesh-state"]
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        environment = {"PATH": os.environ["PATH"], "POD_IP": "127.0.0.1"}
        for variable in container["env"]:
            if "value" in variable:
                environment[variable["name"]] = variable["value"]
        environment |= {"HTTP_ADDR": "127.0.0.1:0", "ADVERTISE_ADDR": "127.0.0.1:1", **given}
        services = container["args"][1:]
        done = run(binary, "--json", "doctor", *services, text=True, env=environment, cwd=tmp_path)
        answer = json.loads(done.stdout)
        assert answer["healthy"] == (done.returncode == 0)
        failures = [it for it in answer["findings"] if it["status"] == "failure"]
        assert all(it["advice"] for it in failures)
        assert SECRET not in done.stdout + done.stderr
        return done.returncode, {it["check"]: it for it in failures}

    return examine


def test_a_secret_that_is_missing(doctor):
    code, failures = doctor(VALUES, DATABASE_URL="memory:")
    assert code != 0
    assert "JWT_SECRET" in failures["configuration"]["found"]


def test_a_broker_and_a_database_that_are_away(doctor):
    away = "postgres://gamemesh:hush@127.0.0.1:1/gamemesh"
    code, failures = doctor(VALUES, DATABASE_URL=away, JWT_SECRET=SECRET)
    assert code != 0
    assert "127.0.0.1:1" in failures["kafka"]["found"]
    assert "database" in failures
    assert "hush" not in json.dumps(failures)


def test_public_keys_that_are_no_keys(doctor, tmp_path):
    (tmp_path / "jwks.json").write_text('{"keys": "none"}')
    _, failures = doctor(VALUES, DATABASE_URL="memory:", JWT_JWKS_FILE=str(tmp_path / "jwks.json"))
    assert "tokens" in failures


def test_an_authority_that_has_not_signed_the_broker(doctor, tmp_path):
    """Two authorities by themselves: the broker shows one, the pod trusts the other."""

    def authority(name: str):
        key, cert = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
        command = [tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        done = run(*command, "-keyout", key, "-out", cert, *subject)
        assert done.returncode == 0, done.stderr
        return key, cert

    (key, cert), (_, other) = authority("broker"), authority("other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                opened, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(opened, server_side=True)
            except OSError:
                opened.close()

    threading.Thread(target=serve, daemon=True).start()
    port = listener.getsockname()[1]
    kafka = {"enabled": True, "brokers": [f"127.0.0.1:{port}"], "securityProtocol": "SSL"}
    _, failures = doctor(
        VALUES | {"kafka": kafka},
        DATABASE_URL="memory:",
        JWT_SECRET=SECRET,
        KAFKA_CA_FILE=str(other),
    )
    listener.close()
    assert "kafka" not in failures, "it accepts connections"
    assert "KAFKA_CA_FILE" in failures["kafka security"]["advice"]
