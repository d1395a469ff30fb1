"""JSON schemas that kubeconform reads, made of what Kubernetes and the operators publish."""

import json
import pathlib

import yaml

TOOLS = pathlib.Path(__file__).parents[2] / ".tools"
PUBLISHED = TOOLS / "schemas"
KUBERNETES = PUBLISHED / "kubernetes/kubernetes_validate/kubernetes-json-schema"
DEFINITIONS = "/api/_definitions.json#/$defs/"


def kubernetes(version: str, folder: pathlib.Path) -> None:
    """Writes one self-contained, strict schema for each kind of a version of Kubernetes."""
    source = KUBERNETES / f"v{version}-local-strict"
    definitions = _own_references(json.loads((source / "_definitions.json").read_text())["$defs"])
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            if kind["kind"].endswith("List"):
                continue
            group = kind["group"].split(".")[0]
            suffix = "-".join(part for part in (group, kind["version"]) if part)
            schema = {"$ref": f"#/definitions/{name}", "definitions": _reachable(definitions, name)}
            _write(folder / f"{kind['kind'].lower()}-{suffix}.json", schema)


def custom_resources(folder: pathlib.Path) -> None:
    """Writes the schemas of Istio's and the Prometheus operator's resources, strict as well."""
    for published in PUBLISHED.glob("*.yaml"):
        for definition in yaml.safe_load_all(published.read_text()):
            if not definition:
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                group = spec["group"].split(".")[0]
                name = f"{spec['names']['kind'].lower()}-{group}-{version['name']}.json"
                _write(folder / name, _strict(version["schema"]["openAPIV3Schema"], top=True))


def _own_references(value):
    if isinstance(value, dict):
        own = {key: _own_references(item) for key, item in value.items()}
        reference = own.get("$ref")
        if isinstance(reference, str):
            own["$ref"] = reference.replace(DEFINITIONS, "#/definitions/").replace(
                "#/$defs/", "#/definitions/"
            )
        return own
    return [_own_references(item) for item in value] if isinstance(value, list) else value


def _reachable(definitions, name):
    found, left = {}, [name]
    while left:
        name = left.pop()
        if name not in found:
            found[name] = definitions[name]
            left.extend(_references(definitions[name]))
    return found


def _references(value):
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix("#/definitions/")
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _strict(schema, top=False):
    """What is not declared is refused, where the definition does not say that it is kept."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    strict = {key: _strict(value) for key, value in schema.items() if key != "format"}
    open_ended = (
        schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    )
    if isinstance(schema.get("properties"), dict) and not open_ended:
        strict["additionalProperties"] = False
    if top:
        for name in ("apiVersion", "kind"):
            strict["properties"].setdefault(name, {"type": "string"})
        strict["properties"]["metadata"] = {"type": "object"}
    return strict


def _write(path: pathlib.Path, schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schema))
