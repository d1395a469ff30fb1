"""What the guides show is run as they show it, against the real server."""

import json
import os
import re
import shutil
import socket
import subprocess

import pytest

from support import REPOSITORY, run

# A block of a guide, and what it says that it prints.
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTS = "#> "


def blocks(path: str, language: str) -> list[str]:
    text = (REPOSITORY / path).read_text()
    found = [code for name, code in BLOCK.findall(text) if name == language]
    assert found, f"{path} has no block of {language}"
    return found


def promised(code: str) -> list[str]:
    return [line[len(PRINTS) :] for line in code.splitlines() if line.startswith(PRINTS)]


def printed(command: list[str], code: str, cwd, **environment: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), **environment}
    done = subprocess.run(
        command,
        input=code,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_type_of_your_own(server, tmp_path):
    """In the order of the page; each command prints what stands below it, before the next one's."""
    code = "\n".join(blocks("docs/custom-types.md", "sh"))
    base = f"{server.url}/api/v1/state"
    said = printed(["bash", "-eu"], code, tmp_path, B=base)
    assert len(promised(code)) >= 15
    rest = said
    for part in promised(code):
        before, found, rest = rest.partition(part)
        assert found, f"{part} is not in what follows: {before}"


@pytest.mark.parametrize(("language", "program"), [("python", "python3"), ("js", "node")])
def test_the_first_program_of_a_language(server, tmp_path, language, program):
    assert shutil.which(program), f"{program} is missing: scripts/setup test"
    [code] = blocks("docs/clients.md", language)
    said = printed([program, "-"], code, tmp_path, GAMEMESH_URL=server.url)
    parts = promised(re.sub(r"^\s*//> ", PRINTS, code, flags=re.MULTILINE))
    assert len(parts) >= 3
    for part in parts:
        assert part in said, said


def test_doctor_knows_the_server_that_runs(server, binary, tmp_path):
    """Its own port is no failure; somebody else's is."""

    def port(address: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HTTP_ADDR": address, "DATABASE_URL": "memory:"}
        done = run(binary, "--json", "doctor", text=True, env=environment, cwd=tmp_path)
        [finding] = [it for it in json.loads(done.stdout)["findings"] if it["check"] == "port"]
        return finding["status"]

    assert port(server.address) == "ok"
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert port(f"127.0.0.1:{other.getsockname()[1]}") == "failure"
