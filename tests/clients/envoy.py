"""A real Envoy that does what Istio's proxies would do with the manifests of the chart.

Istio itself needs a cluster. What its control plane makes of a VirtualService, a DestinationRule, a
RequestAuthentication, an AuthorizationPolicy and a Telemetry is Envoy's configuration, and that is
made here from the same manifests, one field at a time. A field that is not known here fails the
test: it would otherwise count as proven. One Envoy plays the gateway and the sidecars; what is left
out is the mutual TLS between them, and with it who the other side is.
"""

import json
import os
import random
import re
import socket
import subprocess
from pathlib import Path

from support import curl, tool, wait_until_ready

READY_SECONDS_MAX = 30
HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
JWT = "envoy.filters.http.jwt_authn"
UINT32_MAX = 2**32 - 1


def free_port() -> int:
    """One that is bound later: not of those that connections are given meanwhile."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def only(fields: dict, *known: str) -> dict:
    """The same, if there is nothing in it that the caller does not translate."""
    unknown = set(fields) - set(known)
    assert not unknown, f"not translated to Envoy: {unknown} of {fields}"
    return fields


def address(host: str, port: int) -> dict:
    return {"socket_address": {"address": host, "port_value": port}}


def text_match(rule: dict) -> dict:
    """`exact`, `prefix` or `regex` of an Istio StringMatch."""
    [(kind, value)] = only(rule, "exact", "prefix", "regex").items()
    return {"safe_regex": {"regex": value}} if kind == "regex" else {kind: value}


def route_match(match: dict) -> dict:
    only(match, "uri", "headers", "method")
    [(kind, path)] = only(match["uri"], "exact", "prefix", "regex").items()
    uri = {
        "exact": {"path": path},
        "prefix": {"prefix": path},
        "regex": {"safe_regex": {"regex": path}},
    }[kind]
    headers = {name: text_match(rule) for name, rule in match.get("headers", {}).items()}
    if "method" in match:
        headers[":method"] = text_match(match["method"])
    return uri | {
        "headers": [{"name": name, "string_match": rule} for name, rule in headers.items()],
    }


def retry_policy(retries: dict) -> dict | None:
    only(retries, "attempts", "perTryTimeout", "retryOn", "retryRemoteLocalities")
    if not retries["attempts"]:
        return None
    wanted = retries["retryOn"].split(",")
    codes = [int(word) for word in wanted if word.isdigit()]
    made = {
        "num_retries": retries["attempts"],
        "retry_on": ",".join(word for word in wanted if not word.isdigit()),
        "retriable_status_codes": codes,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3"
                    ".PreviousHostsPredicate"
                },
            }
        ],
        "host_selection_retry_max_attempts": 5,
    }
    if "perTryTimeout" in retries:
        made["per_try_timeout"] = retries["perTryTimeout"]
    return made


def seconds(text: str) -> str:
    """Envoy takes a number of seconds only."""
    number, unit = re.fullmatch(r"([\d.]+)(s|m|h)", text).groups()
    return f"{float(number) * {'s': 1, 'm': 60, 'h': 3600}[unit]:g}s"


def path_rule(text: str) -> dict:
    """A path of a policy: exact, with a star at one end, or with `{*}` for a segment."""
    inner = text.removeprefix("*").removesuffix("*")
    if "{*}" in text:
        parts = [re.escape(part) for part in text.split("{*}")]
        rule = {"safe_regex": {"regex": "[^/]+".join(parts)}}
    elif text.endswith("*") and "*" not in inner:
        rule = {"prefix": inner}
    elif text.startswith("*") and "*" not in inner:
        rule = {"suffix": inner}
    else:
        # Istio takes any other star as a character of the path.
        rule = {"exact": text}
    return {"url_path": {"path": rule}}


def any_of(rules: list[dict], of: str) -> dict:
    kind, inner = ("or_rules", "rules") if of == "permissions" else ("or_ids", "ids")
    return {kind: {inner: rules}}


def permission(operation: dict) -> dict:
    only(operation, "paths", "notPaths", "methods", "notMethods")
    method = [
        {"header": {"name": ":method", "string_match": {"exact": name}}}
        for name in operation.get("methods", [])
    ]
    wanted = [
        any_of(rules, "permissions")
        for rules in (method, [path_rule(path) for path in operation.get("paths", [])])
        if rules
    ]
    unwanted = [path_rule(path) for path in operation.get("notPaths", [])]
    unwanted += [
        {"header": {"name": ":method", "string_match": {"exact": name}}}
        for name in operation.get("notMethods", [])
    ]
    wanted += [{"not_rule": rule} for rule in unwanted]
    return {"and_rules": {"rules": wanted}} if wanted else {"any": True}


def principal(source: dict, conditions: list[dict]) -> dict:
    """Who calls. `principals` are checked by mutual TLS, which this Envoy has not."""
    only(source, "principals", "notRequestPrincipals")
    made = []
    if "notRequestPrincipals" in source:
        assert source["notRequestPrincipals"] == ["*"]
        issuer = {"key": "payload"}, {"key": "iss"}
        verified = {"filter": JWT, "path": list(issuer)}
        present = {"string_match": {"safe_regex": {"regex": ".+"}}}
        matched = {"metadata_matcher": verified | {"value": present}}
        made.append({"not_id": {"sourced_metadata": matched}})
    for condition in conditions:
        only(condition, "key", "notValues")
        name = re.fullmatch(r"request\.headers\[(.+)\]", condition["key"])[1]
        values = [
            {"header": {"name": name, "string_match": {"exact": value}}}
            for value in condition["notValues"]
        ]
        made.append({"not_id": any_of(values, "principals")})
    return {"and_ids": {"ids": made}} if made else {"any": True}


def comes_through(source: dict, caller: str) -> bool:
    return any(caller in name for name in source.get("principals", []))


def rbac(policy: dict, caller: str) -> dict:
    """The filter of an AuthorizationPolicy, with the rules that can be about this caller."""
    spec = only(policy["spec"], "selector", "action", "rules")
    policies = {}
    for at, rule in enumerate(spec["rules"]):
        only(rule, "from", "to", "when")
        sources = [it["source"] for it in rule["from"] if comes_through(it["source"], caller)]
        if not sources:
            continue
        operations = [it["operation"] for it in rule.get("to", [{"operation": {}}])]
        policies[f"{policy['metadata']['name']}-{at}"] = {
            "permissions": [permission(operation) for operation in operations],
            "principals": [principal(source, rule.get("when", [])) for source in sources],
        }
    return {
        "name": f"rbac-{policy['metadata']['name']}",
        "typed_config": {
            "@type": f"{FILTERS}.rbac.v3.RBAC",
            "rules": {"action": spec["action"], "policies": policies},
        },
    }


def jwt_filter(authentication: dict) -> dict:
    providers = {}
    for rule in authentication["spec"]["jwtRules"]:
        only(
            rule,
            "issuer",
            "jwksUri",
            "audiences",
            "forwardOriginalToken",
            "fromHeaders",
            "fromCookies",
        )
        providers[rule["issuer"]] = {
            "issuer": rule["issuer"],
            "audiences": rule.get("audiences", []),
            "forward": rule["forwardOriginalToken"],
            "from_headers": [
                {"name": header["name"], "value_prefix": header["prefix"]}
                for header in rule["fromHeaders"]
            ],
            "from_cookies": rule["fromCookies"],
            "payload_in_metadata": "payload",
            "remote_jwks": {
                "http_uri": {"uri": rule["jwksUri"], "cluster": "jwks", "timeout": "5s"},
                "cache_duration": "300s",
            },
        }
    known = [{"provider_name": name} for name in providers]
    return {
        "name": JWT,
        "typed_config": {
            "@type": f"{FILTERS}.jwt_authn.v3.JwtAuthentication",
            "providers": providers,
            # A token that is there must be right; that one is there is the business of a policy.
            "rules": [
                {
                    "match": {"prefix": "/"},
                    "requires": {"requires_any": {"requirements": [*known, {"allow_missing": {}}]}},
                }
            ],
        },
    }


class Manifests:
    """What a rendered chart says, by kind and name."""

    def __init__(self, documents: list[dict]):
        self.documents = [it for it in documents if it]

    def of(self, kind: str) -> dict[str, dict]:
        return {it["metadata"]["name"]: it for it in self.documents if it["kind"] == kind}

    def one(self, kind: str) -> dict:
        [it] = self.of(kind).values()
        return it


class Envoy:
    """The gateway of these manifests, and a sidecar's listener for each Service.

    What `start` says of where the pods of a Service are can be changed while it runs,
    as a control plane would: see `move`.
    """

    def __init__(self, manifests: Manifests, folder: Path, jwks_port: int, otlp_port: int, **more):
        self.manifests = manifests
        self.folder = folder
        self.jwks_port = jwks_port
        self.otlp_port = otlp_port
        self.zipkin_port = more.get("zipkin_port")
        self.port = free_port()
        self.b3_port = free_port()
        self.admin_port = free_port()
        self.hosts = manifests.of("Service")
        self.peer_ports = {host: free_port() for host in self.hosts}
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, endpoints: dict[str, list[int]]) -> "Envoy":
        self.folder.mkdir(exist_ok=True)
        for host, ports in endpoints.items():
            self.move(host, ports)
        path = self.folder / "envoy.json"
        path.write_text(json.dumps(self.bootstrap(), indent=1))
        with (self.folder / "envoy.log").open("ab") as log:
            self.process = subprocess.Popen(
                [tool("envoy"), "-c", path, "--use-dynamic-base-id", "--concurrency", "1"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        url = f"http://127.0.0.1:{self.admin_port}/ready"
        wait_until_ready(url, self.process, self.log, READY_SECONDS_MAX)
        return self

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def log(self) -> str:
        return (self.folder / "envoy.log").read_text(errors="replace")

    def statistic(self, name: str) -> int:
        """The sum of Envoy's counters and gauges whose names match."""
        answer = curl(f"http://127.0.0.1:{self.admin_port}/stats", "--get", "-d", f"filter={name}")
        return sum(int(line.split()[-1]) for line in answer.body.decode().splitlines())

    def move(self, host: str, ports: list[int], grpc_ports: list[int] | None = None) -> None:
        """Says where the pods of a Service are: for both of its ports, unless gRPC is elsewhere."""
        service = self.hosts[host]
        for port in service["spec"]["ports"]:
            pods = grpc_ports if grpc_ports and port["name"] == "grpc" else ports
            cluster = f"{host}|{port['port']}"
            assignment = {
                "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                "cluster_name": cluster,
                "endpoints": [
                    {
                        "lb_endpoints": [
                            {"endpoint": {"address": address("127.0.0.1", pod)}} for pod in pods
                        ]
                    }
                ],
            }
            # Envoy takes a file for changed when another one is moved to its place.
            path = self.endpoints_file(cluster)
            new = path.with_suffix(".new")
            new.write_text(json.dumps({"version_info": "1", "resources": [assignment]}))
            os.replace(new, path)

    def endpoints_file(self, cluster: str) -> Path:
        return self.folder / f"{cluster.replace('|', '-')}.json"

    def bootstrap(self) -> dict:
        listeners = [self.listener("gateway", self.port, self.gateway(self.tracing()))]
        if self.zipkin_port:
            b3 = self.gateway(self.tracing(zipkin=True))
            listeners.append(self.listener("gateway-b3", self.b3_port, b3))
        listeners += [
            self.listener(f"to-{host}", port, self.sidecar(host))
            for host, port in self.peer_ports.items()
        ]
        clusters = [
            self.cluster(host, port)
            for host, service in self.hosts.items()
            for port in service["spec"]["ports"]
        ]
        clusters += [
            self.static_cluster("jwks", self.jwks_port, http2=False),
            self.static_cluster("otlp", self.otlp_port, http2=True),
        ]
        if self.zipkin_port:
            clusters.append(self.static_cluster("zipkin", self.zipkin_port, http2=False))
        return {
            "node": {"id": "test", "cluster": "test"},
            "admin": {"address": address("127.0.0.1", self.admin_port)},
            "static_resources": {"listeners": listeners, "clusters": clusters},
        }

    def listener(self, name: str, port: int, manager: dict) -> dict:
        http = {"name": "http", "typed_config": manager}
        return {
            "name": name,
            "address": address("127.0.0.1", port),
            "filter_chains": [{"filters": [http]}],
        }

    def gateway(self, tracing: dict) -> dict:
        service = self.manifests.one("VirtualService")["spec"]
        only(service, "hosts", "gateways", "http")
        routes = [route for http in service["http"] for route in self.routes(http)]
        return self.manager("gateway", service["hosts"], routes, tracing, "ingressgateway")

    def sidecar(self, host: str) -> dict:
        """What stands between the services: the same tokens, and no route but the one."""
        port = next(it for it in self.hosts[host]["spec"]["ports"] if it["name"] == "grpc")
        action = {"cluster": f"{host}|{port['port']}", "timeout": "0s"}
        routes = [{"match": {"prefix": "/"}, "route": action}]
        return self.manager(f"to-{host}", ["*"], routes, self.tracing(), "sa/play-gamemesh")

    def manager(
        self, name: str, hosts: list[str], routes: list[dict], tracing: dict, caller: str
    ) -> dict:
        filters = [jwt_filter(it) for it in self.manifests.of("RequestAuthentication").values()]
        policies = list(self.manifests.of("AuthorizationPolicy").values())
        # What is denied is denied before anything is allowed.
        policies.sort(key=lambda it: it["spec"]["action"] != "DENY")
        filters += [rbac(policy, caller) for policy in policies]
        filters = [
            it for it in filters if it["typed_config"].get("rules", {}) or "rbac" not in it["name"]
        ]
        filters.append({"name": "router", "typed_config": {"@type": f"{FILTERS}.router.v3.Router"}})
        return {
            "@type": f"{HTTP}.HttpConnectionManager",
            "stat_prefix": name,
            "codec_type": "AUTO",
            "use_remote_address": True,
            "normalize_path": True,
            "stream_idle_timeout": "0s",
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "tracing": tracing,
            "http_filters": filters,
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": name,
                        "domains": [
                            *hosts,
                            *(f"{host}:*" for host in hosts if host != "*"),
                        ],
                        "routes": routes,
                        # So that a test sees which pod has answered.
                        "response_headers_to_add": [
                            {
                                "header": {"key": "x-test-pod", "value": "%UPSTREAM_REMOTE_PORT%"},
                            },
                            {
                                "header": {"key": "x-test-route", "value": "%ROUTE_NAME%"},
                            },
                        ],
                    }
                ]
            },
        }

    def routes(self, http: dict) -> list[dict]:
        only(http, "name", "match", "timeout", "retries", "route")
        [target] = http["route"]
        destination = only(target["destination"], "host", "port")
        action = {
            "cluster": f"{destination['host']}|{destination['port']['number']}",
            "timeout": seconds(http["timeout"]),
        }
        retry = retry_policy(http["retries"])
        if retry:
            action["retry_policy"] = retry
        balancer = self.traffic_policy(destination["host"])["loadBalancer"]
        if "consistentHash" in balancer:
            cookie = only(balancer["consistentHash"], "httpCookie")["httpCookie"]
            cookie = {"name": cookie["name"], "ttl": seconds(cookie["ttl"])}
            action["hash_policy"] = [{"cookie": cookie}]
        return [
            {"name": http["name"], "match": route_match(match), "route": action}
            for match in http["match"]
        ]

    def traffic_policy(self, host: str) -> dict:
        rules = self.manifests.of("DestinationRule").values()
        [policy] = [it["spec"]["trafficPolicy"] for it in rules if it["spec"]["host"] == host]
        return only(policy, "tls", "connectionPool", "loadBalancer", "outlierDetection")

    def cluster(self, host: str, port: dict) -> dict:
        policy = self.traffic_policy(host)
        name = f"{host}|{port['port']}"
        tcp = only(policy["connectionPool"]["tcp"], "maxConnections", "tcpKeepalive")
        http = only(policy["connectionPool"]["http"], "http2MaxRequests", "idleTimeout")
        balancer = only(policy["loadBalancer"], "simple", "consistentHash")
        outlier = only(
            policy["outlierDetection"],
            "consecutive5xxErrors",
            "interval",
            "baseEjectionTime",
            "maxEjectionPercent",
        )
        protocol = {"grpc": "http2_protocol_options", "http": "http_protocol_options"}
        return {
            "name": name,
            "type": "EDS",
            "eds_cluster_config": {
                "eds_config": {
                    "resource_api_version": "V3",
                    "path_config_source": {"path": str(self.endpoints_file(name))},
                }
            },
            "connect_timeout": "2s",
            "lb_policy": balancer.get("simple", "RING_HASH"),
            "circuit_breakers": {
                "thresholds": [
                    {
                        "max_connections": tcp["maxConnections"],
                        "max_requests": http["http2MaxRequests"],
                        "max_pending_requests": UINT32_MAX,
                        "max_retries": UINT32_MAX,
                    }
                ]
            },
            "outlier_detection": {
                "consecutive_5xx": outlier["consecutive5xxErrors"],
                "interval": outlier["interval"],
                "base_ejection_time": outlier["baseEjectionTime"],
                "max_ejection_percent": outlier["maxEjectionPercent"],
                "enforcing_success_rate": 0,
            },
            "typed_extension_protocol_options": self.protocol(
                protocol[port["appProtocol"]], idle=seconds(http["idleTimeout"])
            ),
        }

    @staticmethod
    def protocol(options: str, idle: str = "3600s") -> dict:
        return {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3"
                ".HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": idle},
                "explicit_http_config": {options: {}},
            }
        }

    def static_cluster(self, name: str, port: int, *, http2: bool) -> dict:
        endpoint = {"endpoint": {"address": address("127.0.0.1", port)}}
        return {
            "name": name,
            "type": "STATIC",
            "connect_timeout": "2s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [endpoint]}],
            },
            "typed_extension_protocol_options": self.protocol(
                "http2_protocol_options" if http2 else "http_protocol_options"
            ),
        }

    def tracing(self, *, zipkin: bool = False) -> dict:
        [rule] = self.manifests.one("Telemetry")["spec"]["tracing"]
        only(rule, "randomSamplingPercentage", "providers")
        config = {
            "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
            "service_name": "gateway",
            "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "5s"},
        }
        if zipkin:
            config = {
                "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
                "collector_cluster": "zipkin",
                "collector_endpoint": "/api/v2/spans",
                "collector_endpoint_version": "HTTP_JSON",
                "trace_id_128bit": True,
                "shared_span_context": False,
            }
        name = "envoy.tracers.zipkin" if zipkin else "envoy.tracers.opentelemetry"
        return {
            "random_sampling": {"value": rule["randomSamplingPercentage"]},
            "provider": {"name": name, "typed_config": config},
        }
