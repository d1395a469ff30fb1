"""What the client tests share: the server as a process, stubs made from the contracts, tools."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests

REPOSITORY = Path(__file__).resolve().parents[2]
PROTO = REPOSITORY / "proto"
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 40


def tool(name: str) -> str:
    """The path of a program that scripts/setup installs. A missing one fails the test."""
    for folder in (REPOSITORY / ".tools", Path(sys.executable).parent):
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    found = shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is missing: run scripts/setup test")
    return found


def make_stubs(target: Path) -> None:
    """Generates Python modules from every proto of the project, as a user of the API would."""
    protos = [str(path.relative_to(PROTO)) for path in sorted(PROTO.glob("gamemesh/**/*.proto"))]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}"]
    command += [f"--python_out={target}", f"--grpc_python_out={target}", *protos]
    subprocess.run(command, check=True)


def run(*command, **options) -> subprocess.CompletedProcess:
    """Runs a program to its end; the caller looks at the exit code."""
    defaults = {"capture_output": True, "timeout": 60, "check": False}
    if "input" not in options:
        defaults["stdin"] = subprocess.DEVNULL
    return subprocess.run([str(part) for part in command], **defaults | options)


class Server:
    """`gamemesh serve` on a free port, with its data in a folder that outlives the process."""

    def __init__(self, binary: Path, folder: Path, *flags: str, **environment: str):
        self.binary = binary
        self.folder = folder
        self.flags = flags
        self.environment = environment
        self.log_path = folder / "server.log"
        self.process: subprocess.Popen | None = None
        self.port = 0
        # A certificate in PEM, where the port speaks TLS.
        self.certificate: Path | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://{self.address}"

    def start(self) -> "Server":
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        command = [str(self.binary), "serve", "--http-addr", "127.0.0.1:0"]
        if "DATABASE_URL" not in self.environment:
            command += ["--database-url", f"sqlite://{self.folder}/gamemesh.db"]
        command += ["--port-file", str(port_file), *self.flags]
        # Nothing of the caller's own configuration may reach the server.
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment | self.environment,
            )
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self._is_ready(port_file):
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended at its start:\n{self.log()[-4000:]}")
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"not ready in {READY_SECONDS_MAX} s:\n{self.log()[-4000:]}")
            time.sleep(0.05)
        return self

    def _is_ready(self, port_file: Path) -> bool:
        text = port_file.read_text().strip() if port_file.exists() else ""
        if not text:
            return False
        self.port = int(text.rpartition(":")[2])
        try:
            verify = str(self.certificate) if self.certificate else True
            return requests.get(f"{self.url}/ready", timeout=5, verify=verify).status_code == 200
        except requests.ConnectionError:
            return False

    def stop(self) -> int:
        """Asks it to end, and answers its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def log_lines(self) -> list[dict]:
        return [json.loads(line) for line in self.log().splitlines()]


class CurlAnswer:
    """What `curl --include` printed."""

    def __init__(self, output: bytes):
        head, _, self.body = output.partition(b"\r\n\r\n")
        status_line, *headers = head.decode().split("\r\n")
        self.status = int(status_line.split()[1])
        self.headers = {}
        for line in headers:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    def json(self):
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The stable reason of an error."""
        return self.detail("google.rpc.ErrorInfo")["reason"]

    def detail(self, message: str) -> dict:
        """The first detail of this type of an error."""
        kind = f"type.googleapis.com/{message}"
        return next(detail for detail in self.json()["details"] if detail["@type"] == kind)


def curl(url: str, *arguments: str, body=None, method: str | None = None) -> CurlAnswer:
    """One request with curl; `body` is sent as JSON."""
    command = [
        tool("curl"),
        "--silent",
        "--show-error",
        "--include",
        "--max-time",
        "30",
    ]
    # Without this, a larger body waits for a 100 Continue that would be read as the answer.
    command += ["--header", "Expect:"]
    if method:
        command += ["--request", method]
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        command += ["--header", "Content-Type: application/json", "--data-binary", "@-"]
    done = subprocess.run([*command, *arguments, url], input=data, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return CurlAnswer(done.stdout)


def wait_until_ready(url: str, process: subprocess.Popen, log, seconds: float) -> None:
    """Asks until the answer is 200. `log` has what a process that ended said."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if curl(url).status == 200:
                return
        except AssertionError:
            pass
        assert process.poll() is None, log()[-4000:]
        assert time.monotonic() < deadline, log()[-4000:]
        time.sleep(0.05)
