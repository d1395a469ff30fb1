"""Alert rules and dashboards of the chart."""

import json
import pathlib
import re
import subprocess
import sys

import schemas
import yaml

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / "helm/gamemesh"
ALERTS = CHART / "files/alerts.yaml"

sys.path.insert(0, str(ROOT / "helm"))
import dashboards  # noqa: E402


def test_promtool_accepts_the_rules():
    done = subprocess.run(
        [schemas.TOOLS / "promtool", "check", "rules", ALERTS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_its_runbook_page():
    linked = set()
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        for rule in group["rules"]:
            page = rule["annotations"]["runbook_url"].removeprefix("RUNBOOKS/")
            assert (ROOT / "docs/runbooks" / page).is_file(), f"{rule['alert']}: {page}"
            assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
            linked.add(page)
    pages = {path.name for path in (ROOT / "docs/runbooks").glob("*.md")}
    assert pages == linked, "a runbook page that no alert leads to"


def test_dashboards_are_what_their_description_says():
    written = {path.name: path.read_text() for path in dashboards.FOLDER.glob("*.json")}
    assert written == dashboards.rendered(), "run python3 helm/dashboards.py"


def test_every_query_is_promql(tmp_path):
    """promtool parses a query where it stands in a recording rule."""
    rules = []
    for name, text in dashboards.rendered().items():
        for panel in json.loads(text)["panels"]:
            for target in panel["targets"]:
                expr = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
                record = re.sub(
                    r"[^a-z]+", "_", f"{name}_{panel['title']}_{target['refId']}".lower()
                )
                rules.append({"record": record, "expr": expr})
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [schemas.TOOLS / "promtool", "check", "rules", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
