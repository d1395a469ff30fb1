"""The chart on this machine: pods are processes, Envoy routes to them, backends are real."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import yaml

from envoy import Envoy, Manifests, free_port
from support import REPOSITORY, run, tool, wait_until_ready

READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
RELEASE = "play"
HOST = "play.example"
ISSUER = "https://id.example"
AUDIENCE = "gamemesh"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs tokens with RS256, and serves the public key as an identity provider does."""

    def __init__(self, folder: Path):
        self.key = folder / "issuer.pem"
        command = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        self._openssl(*command, "-out", self.key)
        text = self._openssl("rsa", "-in", self.key, "-noout", "-modulus").decode()
        modulus = bytes.fromhex(text.strip().partition("=")[2])
        jwk = {"kty": "RSA", "kid": "one", "alg": "RS256", "use": "sig"}
        jwk |= {"n": encoded(modulus), "e": encoded((65537).to_bytes(3, "big"))}
        body = json.dumps({"keys": [jwk]}).encode()
        self.jwks = body

        class Keys(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def _openssl(*arguments, stdin: bytes = b"") -> bytes:
        done = run(tool("openssl"), *arguments, input=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def public_pem(self) -> bytes:
        return self._openssl("rsa", "-in", self.key, "-pubout")

    def claims(self, role: str, subject: str, **more) -> dict:
        now = int(time.time())
        made = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "role": role, "exp": now + 600}
        return made | more

    def sign(self, claims: dict, **header) -> str:
        head = {"alg": "RS256", "kid": "one", "typ": "JWT"} | header
        text = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(claims).encode())}"
        signature = self._openssl("dgst", "-sha256", "-sign", self.key, stdin=text.encode())
        return f"{text}.{encoded(signature)}"

    def token(self, role: str, subject: str, **more) -> str:
        return self.sign(self.claims(role, subject, **more))

    def confused(self, claims: dict) -> str:
        """HS256 with the public key for a secret."""
        head = {"alg": "HS256", "kid": "one", "typ": "JWT"}
        text = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(claims).encode())}"
        mac = hmac.new(self.public_pem(), text.encode(), hashlib.sha256).digest()
        return f"{text}.{encoded(mac)}"


class Backends:
    """PostgreSQL, and Kafka where it is asked for, with data of their own."""

    def __init__(self, *names: str):
        # PostgreSQL's own user has to reach the folder, which pytest keeps for its user alone.
        self.folder = Path(tempfile.mkdtemp(prefix="gamemesh-mesh-"))
        self.folder.chmod(0o755)
        text = self._call("up", *names)
        self.urls = dict(re.findall(r"^export (\w+)=(.*)$", text, re.MULTILINE))

    def _call(self, *arguments: str) -> str:
        done = run(
            REPOSITORY / "scripts/services",
            *arguments,
            env=os.environ | {"GAMEMESH_SERVICES_DIR": str(self.folder)},
            timeout=120,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def down(self) -> None:
        self._call("down")


def rendered(values: dict, folder: Path) -> Manifests:
    """What helm makes of the chart with these values."""
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    command = [tool("helm"), "template", RELEASE, REPOSITORY / "helm/gamemesh"]
    command += ["--namespace", "games", "--kube-version", "1.31.0", "--values", path]
    done = run(*command, text=True)
    assert done.returncode == 0, done.stderr
    return Manifests(list(yaml.safe_load_all(done.stdout)))


class Pod:
    """A process with the arguments and the environment that a Deployment gives its pods."""

    def __init__(self, binary: Path, container: dict, folder: Path, given: dict[str, str]):
        self.port = free_port()
        self.log_path = folder / f"pod-{self.port}.log"
        self.folder = folder
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        for variable in container.get("env", []):
            name = variable["name"]
            if name in given:
                environment[name] = given[name]
            else:
                assert "value" in variable, f"the test does not say what the secret {name} is"
                environment[name] = variable["value"]
        # A pod has an address of its own, a process only a port.
        environment |= {"HTTP_ADDR": self.address, "ADVERTISE_ADDR": self.address}
        arguments = [str(argument) for argument in container["args"]]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [str(binary), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment,
            )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def until_ready(self) -> "Pod":
        """As the readiness probe of the chart asks."""
        wait_until_ready(f"{self.url}/ready", self.process, self.log, READY_SECONDS_MAX)
        return self

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        return self.process.wait(STOP_SECONDS_MAX)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Mesh:
    """The release: pods of each service, Envoy before them."""

    def __init__(self, binary: Path, folder: Path, values: dict, collector, urls: dict):
        self.binary = binary
        self.folder = folder
        self.issuer = Issuer(folder)
        self.collector = collector
        base = {
            "postgresql": {
                "existingSecret": "database",
                "maxConnections": 8,
                "minConnections": 1,
            },
            "auth": {
                "issuer": ISSUER,
                "audience": AUDIENCE,
                "jwksUrl": self.issuer.url,
                "peerToken": {"existingSecret": "peers"},
            },
            "tracing": {"otlpEndpoint": f"http://127.0.0.1:{collector.port}", "sampleRatio": 1},
            "istio": {
                "enabled": True,
                "hosts": [HOST],
                "telemetry": {"randomSamplingPercentage": 100},
            },
            "drainDelay": "500ms",
        }
        self.manifests = rendered(merged(base, values), folder)
        self.given = {
            "POD_IP": "127.0.0.1",
            "DATABASE_URL": urls["POSTGRES_URL"],
            "PEER_TOKEN": self.issuer.token("game-server", "service:gamemesh"),
        }
        self.envoy = Envoy(
            self.manifests,
            folder / "envoy",
            self.issuer.port,
            collector.port,
            zipkin_port=collector.zipkin_port,
        )
        # The names of Services are known in a cluster only.
        for host, port in self.envoy.peer_ports.items():
            name = host.removeprefix(f"{RELEASE}-gamemesh-").upper()
            self.given[f"PEER_{name}"] = f"http://127.0.0.1:{port}"
        self.pods: dict[str, list[Pod]] = {}

    def start(self, count: int = 2) -> "Mesh":
        try:
            migrate = self.pod(self.manifests.one("Job"))
            assert migrate.ended() == 0, migrate.log()
            deployments = self.manifests.of("Deployment")
            for name, deployment in deployments.items():
                self.pods[name] = [self.pod(deployment) for _ in range(count)]
            for pods in self.pods.values():
                for pod in pods:
                    pod.until_ready()
            self.envoy.start({name: self.ports(name) for name in self.pods})
        except BaseException:
            self.stop()
            raise
        return self

    def pod(self, workload: dict) -> Pod:
        [container] = workload["spec"]["template"]["spec"]["containers"]
        return Pod(self.binary, container, self.folder, self.given)

    def ports(self, name: str) -> list[int]:
        return [pod.port for pod in self.pods[name]]

    def service(self, name: str) -> str:
        return f"{RELEASE}-gamemesh-{name}"

    def stop(self) -> None:
        self.envoy.stop()
        for pods in self.pods.values():
            for pod in pods:
                pod.kill()
        self.issuer.stop()

    def roll(self, name: str) -> None:
        """What a Deployment with maxSurge 1 and maxUnavailable 0 does with its pods."""
        name = self.service(name)
        for old in list(self.pods[name]):
            new = self.pod(self.manifests.of("Deployment")[name]).until_ready()
            self.pods[name].append(new)
            self.envoy.move(name, self.ports(name))
            # A pod is told to end and taken from the endpoints at the same time; proxies learn of
            # it later, and meanwhile still send requests.
            old.terminate()
            time.sleep(0.2)
            self.pods[name].remove(old)
            self.envoy.move(name, self.ports(name))
            assert old.ended() == 0, old.log()[-4000:]
            assert "panicked" not in old.log()

    def bearer(self, role: str, subject: str, **more) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.issuer.token(role, subject, **more)}"}


def merged(base: dict, over: dict) -> dict:
    made = dict(base)
    for name, value in over.items():
        inner = isinstance(value, dict) and isinstance(made.get(name), dict)
        made[name] = merged(made[name], value) if inner else value
    return made
