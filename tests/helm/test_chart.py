"""The chart: what it renders, and what the schemas of Kubernetes and Istio say of it."""

import os
import pathlib
import subprocess

import pytest
import schemas
import yaml

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / "helm/gamemesh"
HERE = pathlib.Path(__file__).parent
VALUES = sorted(path.stem for path in (HERE / "values").glob("*.yaml"))
MINIMAL = ["--values", str(HERE / "values/minimal.yaml")]
# The oldest that the chart accepts, one between, and the newest whose schemas are there.
KUBERNETES = ["1.25.0", "1.31.0", "1.37.0"]


def helm(*arguments: str) -> subprocess.CompletedProcess:
    command = [schemas.TOOLS / "helm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def template(*arguments: str) -> subprocess.CompletedProcess:
    return helm(
        "template",
        "play",
        str(CHART),
        "--namespace",
        "games",
        "--kube-version",
        "1.31.0",
        *arguments,
    )


def rendered(values: str) -> str:
    done = template("--values", str(HERE / "values" / f"{values}.yaml"))
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> list[dict]:
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(text: str, kind: str) -> dict[str, dict]:
    return {it["metadata"]["name"]: it for it in objects(text) if it["kind"] == kind}


@pytest.fixture(scope="session")
def schema_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schemas")
    for version in KUBERNETES:
        schemas.kubernetes(version, folder / f"v{version}")
    schemas.custom_resources(folder / "custom")
    return folder


def conform(path: pathlib.Path, version: str, folder: pathlib.Path) -> subprocess.CompletedProcess:
    name = "{{ .ResourceKind }}{{ .KindSuffix }}.json"
    command = [
        schemas.TOOLS / "kubeconform", "-strict", "-summary", "-kubernetes-version", version,
        "-schema-location", f"{folder}/{{{{ .NormalizedKubernetesVersion }}}}/{name}",
        "-schema-location", f"{folder}/custom/{name}", path,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("values", VALUES)
def test_it_lints(values):
    done = helm("lint", "--strict", str(CHART), "--values", str(HERE / "values" / f"{values}.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", VALUES)
def test_it_renders_what_it_rendered_before(values):
    """UPDATE_GOLDEN=1 accepts a change."""
    golden = HERE / "golden" / f"{values}.yaml"
    now = rendered(values)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(now)
    assert now == golden.read_text(), (
        f"run UPDATE_GOLDEN=1 make helm-test, and read the diff of {golden}"
    )


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("values", VALUES)
def test_every_manifest_is_valid(values, version, schema_folder, tmp_path):
    path = tmp_path / "rendered.yaml"
    path.write_text(rendered(values))
    done = conform(path, version, schema_folder)
    assert done.returncode == 0, done.stdout + done.stderr
    count = len(objects(path.read_text()))
    assert f"Valid: {count}, Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


def test_the_schemas_refuse_what_is_wrong(schema_folder, tmp_path):
    """A check that cannot fail would prove nothing."""
    path = tmp_path / "rendered.yaml"
    for kind, spoil in {
        "Deployment": lambda it: it["spec"]["template"]["spec"].update(containerz=[]),
        "HorizontalPodAutoscaler": lambda it: it["spec"].update(minReplicas="two"),
        "VirtualService": lambda it: it["spec"]["http"][0].update(retry={}),
        "AuthorizationPolicy": lambda it: it["spec"].update(action="PERHAPS"),
        "ServiceMonitor": lambda it: it["spec"].update(endpoint=[]),
    }.items():
        wrong = objects(rendered("services"))
        spoil(next(it for it in wrong if it["kind"] == kind))
        path.write_text(yaml.safe_dump_all(wrong))
        done = conform(path, "1.31.0", schema_folder)
        assert done.returncode != 0, kind
        assert f"{kind} " in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "postgresql.existingSecret"),
        (["--set", "postgresql.existingSecret=db"], "auth.existingSecret"),
        (["--set", "service.prot=1", *MINIMAL], "prot"),
        (["--set", "services.lobby.enabled=true"], "lobby"),
        (["--set", "mode=everything"], "mode"),
        (["--set", "embedded.enabled=true", *MINIMAL], "mode=allInOne"),
        (["--set", "defaults.replicas=0"], "replicas"),
        (["--set", "redis.enabled=true", *MINIMAL], "redis.url"),
        (["--set", "kafka.enabled=true", *MINIMAL], "kafka.brokers"),
        (["--set", "kafka.brokers={broker}", *MINIMAL], "kafka.brokers"),
        (["--set", "istio.mtlsMode=NEVER"], "mtlsMode"),
        (["--set", "drainTimeout=soon"], "drainTimeout"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_by_name(arguments, says):
    done = template(*arguments)
    assert done.returncode != 0
    assert says in done.stderr, done.stderr


def test_each_service_has_its_own_deployment():
    deployments = of_kind(rendered("services"), "Deployment")
    arguments = {
        it["spec"]["template"]["spec"]["containers"][0]["args"][2] for it in deployments.values()
    }
    assert arguments == {"state", "combat", "stats", "memory", "damage-validator"}
    assert set(of_kind(rendered("all-in-one"), "Deployment")) == {"play-gamemesh-all"}


def test_a_pod_of_one_service_takes_its_share_of_the_connections():
    def connections(values: str) -> dict[str, tuple[str, str]]:
        taken = {}
        for name, deployment in of_kind(rendered(values), "Deployment").items():
            [container] = deployment["spec"]["template"]["spec"]["containers"]
            names = [it["name"] for it in container["env"]]
            assert len(names) == len(set(names)), "a variable is there twice"
            env = {it["name"]: it.get("value") for it in container["env"]}
            both = env["POSTGRES_MAX_CONNS"], env["POSTGRES_MIN_CONNS"]
            taken[name.removeprefix("play-gamemesh-")] = both
        return taken

    one = ("10", "1")
    others = dict.fromkeys(("combat", "stats", "memory", "damage-validator"), one)
    assert connections("services") == {"state": ("20", "2"), **others}
    assert connections("all-in-one") == {"all": ("50", "5")}


def test_no_secret_is_written_into_a_manifest():
    for deployment in of_kind(rendered("services"), "Deployment").values():
        for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]:
            if any(
                word in variable["name"]
                for word in ("SECRET", "PASSWORD", "DATABASE_URL", "REDIS_URL")
            ):
                assert "secretKeyRef" in variable.get("valueFrom", {}), variable


def test_pods_are_confined():
    for values in VALUES:
        for it in objects(rendered(values)):
            pod = (
                it["spec"].get("template", it).get("spec", {})
                if it["kind"] in ("Deployment", "Job", "Pod")
                else None
            )
            if pod is None:
                continue
            assert pod["securityContext"]["runAsNonRoot"] is True
            for container in pod["containers"]:
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert "limits" in container["resources"]


def test_only_what_is_safe_is_repeated_after_it_reached_a_server():
    service = of_kind(rendered("services"), "VirtualService")["play-gamemesh"]
    never_sent = {"connect-failure", "refused-stream"}
    for route in service["spec"]["http"]:
        retried = set(filter(None, route["retries"].get("retryOn", "").split(",")))
        if route["name"].endswith(("-sockets", "-streams")):
            assert route["retries"]["attempts"] == 0, route["name"]
        elif not route["name"].endswith("-safe"):
            assert retried == never_sent, route["name"]


def test_every_service_is_reached_over_both_protocols():
    service = of_kind(rendered("services"), "VirtualService")["play-gamemesh"]
    text = yaml.safe_dump(service)
    for name, path in {
        "state": "state",
        "combat": "combat",
        "stats": "match-stats",
        "memory": "memory",
    }.items():
        assert f"prefix: /api/v1/{path}/" in text
        assert f"prefix: /gamemesh.{name}.v1." in text


def test_the_readme_names_every_value():
    text = (CHART / "README.md").read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for name, value in values.items():
        assert f"`{name}" in text, name
        for inner in value if isinstance(value, dict) else ():
            named = (f"`{name}.{inner}", f"`.{inner}", f"{name}.{inner}")
            assert any(text_of in text for text_of in named), f"{name}.{inner}"
