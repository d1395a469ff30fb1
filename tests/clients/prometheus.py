"""A real Prometheus that scrapes one server."""

import pathlib
import socket
import subprocess
import time
from contextlib import contextmanager

import yaml

from support import REPOSITORY, curl

SCRAPE_SECONDS = 1
READY_SECONDS_MAX = 60


@contextmanager
def scraping(target: str, folder: pathlib.Path, *flags: str):
    """Its URL, once it has scraped the target often enough for rates."""
    binary = REPOSITORY / ".tools/prometheus"
    assert binary.is_file(), "prometheus is missing: run scripts/setup helm"
    rules = folder / "alerts.yaml"
    rules.write_text((REPOSITORY / "helm/gamemesh/files/alerts.yaml").read_text())
    scrape = {"job_name": "gamemesh", "static_configs": [{"targets": [target]}]}
    interval = f"{SCRAPE_SECONDS}s"
    config = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(rules)],
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            binary,
            f"--config.file={folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            *flags,
        ],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("w"),
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _until_scraped(url, process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _until_scraped(url: str, process: subprocess.Popen, log: pathlib.Path) -> None:
    """Rates need several scrapes."""
    for _ in range(READY_SECONDS_MAX * 2):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if values(url, "count_over_time(up[1m]) >= 5"):
                return
        except (AssertionError, OSError, subprocess.SubprocessError):
            pass
        time.sleep(0.5)
    raise AssertionError(f"no scrape:\n{log.read_text()[-2000:]}")


def values(url: str, query: str) -> list:
    """What a query answers now."""
    answer = curl(f"{url}/api/v1/query", "--get", "--data-urlencode", f"query={query}")
    assert answer.status == 200, f"{query}: {answer.body.decode()}"
    return answer.json()["data"]["result"]
