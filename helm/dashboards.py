#!/usr/bin/env python3
"""Writes the chart's Grafana dashboards: helm/gamemesh/files/dashboards/*.json.

A panel is a title, a unit and its queries; everything else is the same for all. Run it after a
change: `python3 helm/dashboards.py`. Tests compare the files with what it would write, and run
every query against a real scrape.
"""

import json
import pathlib
import re

FOLDER = pathlib.Path(__file__).parent / "gamemesh/files/dashboards"
COLUMNS = 24
WIDTH, HEIGHT = 8, 8
INSTANCE = '{instance=~"$instance"}'


def quantile(share: float, metric: str, labels: str = "", by: str = "le") -> str:
    selector = f'{{instance=~"$instance"{"," + labels if labels else ""}}}'
    buckets = f"rate({metric}_bucket{selector}[$__rate_interval])"
    return f"histogram_quantile({share}, sum by ({by}) ({buckets}))"


def rate(metric: str, by: str = "", labels: str = "") -> str:
    selector = f'{{instance=~"$instance"{"," + labels if labels else ""}}}'
    grouped = f"sum by ({by}) " if by else "sum "
    return f"{grouped}(rate({metric}{selector}[$__rate_interval]))"


def total(metric: str, by: str = "", how: str = "sum") -> str:
    return f"{how}{f' by ({by})' if by else ''} ({metric}{INSTANCE})"


def red(service: str) -> list[tuple]:
    labels = f'grpc_service=~"gamemesh.{service}.*"'
    return [
        (
            "Calls",
            "reqps",
            [
                (
                    rate("grpc_server_handled_total", "grpc_method", labels),
                    "{{grpc_method}}",
                )
            ],
        ),
        (
            "Refusals and failures",
            "reqps",
            [
                (
                    rate(
                        "grpc_server_handled_total",
                        "grpc_code",
                        labels + ',grpc_code!="OK"',
                    ),
                    "{{grpc_code}}",
                )
            ],
        ),
        (
            "Latency P99",
            "s",
            [
                (
                    quantile(0.99, "grpc_server_handling_seconds", labels, "le, grpc_method"),
                    "{{grpc_method}}",
                )
            ],
        ),
    ]


HITS, MISSES = rate("gsm_cache_hits_total"), rate("gsm_cache_misses_total")

DASHBOARDS = {
    "overview": (
        "gamemesh: overview",
        [
            (
                "Calls by service",
                "reqps",
                [
                    (
                        rate("grpc_server_handled_total", "grpc_service"),
                        "{{grpc_service}}",
                    )
                ],
            ),
            (
                "Calls that failed",
                "reqps",
                [
                    (
                        rate(
                            "grpc_server_handled_total",
                            "grpc_service, grpc_code",
                            'grpc_code=~"Internal|Unavailable|Unknown|DataLoss|ResourceExhausted"',
                        ),
                        "{{grpc_service}} {{grpc_code}}",
                    )
                ],
            ),
            (
                "Latency",
                "s",
                [
                    (quantile(0.5, "grpc_server_handling_seconds"), "P50"),
                    (quantile(0.99, "grpc_server_handling_seconds"), "P99"),
                ],
            ),
            (
                "Connections",
                "short",
                [(total("gamemesh_connections_open", "instance"), "{{instance}}")],
            ),
            (
                "Processor",
                "percentunit",
                [(rate("process_cpu_seconds_total", "instance"), "{{instance}}")],
            ),
            (
                "Memory",
                "bytes",
                [(total("process_resident_memory_bytes", "instance"), "{{instance}}")],
            ),
            (
                "Pools in use",
                "short",
                [(total("gamemesh_pool_in_use", "pool"), "{{pool}}")],
            ),
            (
                "Waiting for a connection",
                "short",
                [(total("gamemesh_pool_waiters", "pool"), "{{pool}}")],
            ),
            (
                "Outbox lag",
                "short",
                [(total("gamemesh_outbox_lag_events", "", "max"), "events")],
            ),
        ],
    ),
    "state": (
        "gamemesh: state",
        [
            *red("state"),
            (
                "Reads and writes P99",
                "s",
                [
                    (quantile(0.99, "gsm_state_read_duration_seconds"), "reads"),
                    (quantile(0.99, "gsm_state_write_duration_seconds"), "writes"),
                ],
            ),
            (
                "Cache hit rate",
                "percentunit",
                [
                    (
                        f"{HITS} / ({HITS} + {MISSES})",
                        "hits",
                    )
                ],
            ),
            (
                "Answers by tier",
                "reqps",
                [(rate("gamemesh_cache_answers_total", "tier"), "{{tier}}")],
            ),
            ("Watchers", "short", [(total("gsm_watchers"), "watchers")]),
            (
                "Cache memory",
                "bytes",
                [(total("gsm_memory_pool_usage", "instance"), "{{instance}}")],
            ),
            (
                "Stale beyond its bound",
                "short",
                [(total("gamemesh_cache_stale_beyond_bound_total"), "answers")],
            ),
        ],
    ),
    "combat": (
        "gamemesh: combat",
        [
            *red("combat"),
            ("Sessions", "short", [(total("combat_active_sessions"), "active")]),
            (
                "Sessions created",
                "reqps",
                [(rate("combat_sessions_created_total"), "created")],
            ),
            ("Damage", "reqps", [(rate("combat_damage_events_total"), "events")]),
            (
                "Request P99",
                "s",
                [(quantile(0.99, "combat_request_duration_seconds"), "P99")],
            ),
            ("Errors", "reqps", [(rate("combat_errors_total"), "errors")]),
            ("WebSockets", "short", [(total("http_server_websockets_open"), "open")]),
        ],
    ),
    "stats": (
        "gamemesh: stats",
        [
            *red("stats"),
            (
                "Events",
                "reqps",
                [
                    (rate("match_stats_events_received_total"), "received"),
                    (rate("match_stats_events_processed_total"), "processed"),
                ],
            ),
            ("Matches", "short", [(total("match_stats_matches_active"), "active")]),
            (
                "Processing P99",
                "s",
                [(quantile(0.99, "match_stats_processing_latency"), "P99")],
            ),
            (
                "Cache hit ratio",
                "percentunit",
                [(total("match_stats_cache_hit_ratio", "", "avg"), "ratio")],
            ),
        ],
    ),
    "memory": ("gamemesh: memory", [*red("memory")]),
}


def panel(at: int, title: str, unit: str, queries: list[tuple[str, str]]) -> dict:
    per_row = COLUMNS // WIDTH
    return {
        "id": at + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "$datasource"},
        "gridPos": {
            "x": at % per_row * WIDTH,
            "y": at // per_row * HEIGHT,
            "w": WIDTH,
            "h": HEIGHT,
        },
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "expr": expr,
                "legendFormat": legend,
                "exemplar": True,
            }
            for at, (expr, legend) in enumerate(queries)
        ],
    }


def variable(name: str, **more) -> dict:
    return {"name": name, "label": name, **more}


def dashboard(name: str, title: str, panels: list[tuple]) -> dict:
    instances = {
        "query": "label_values(process_start_time_seconds, instance)",
        "refId": "instances",
    }
    return {
        "uid": f"gamemesh-{name}",
        "title": title,
        "tags": ["gamemesh"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                variable("datasource", type="datasource", query="prometheus"),
                variable(
                    "instance",
                    type="query",
                    datasource={"type": "prometheus", "uid": "$datasource"},
                    query=instances,
                    refresh=2,
                    includeAll=True,
                    multi=True,
                    allValue=".*",
                    current={"text": "All", "value": "$__all"},
                ),
            ]
        },
        "panels": [panel(at, *one) for at, one in enumerate(panels)],
    }


def metric_names(query: str) -> list[str]:
    """The metrics of a query, as they are declared: a histogram without its buckets."""
    names = re.findall(
        r"\b((?:gamemesh|gsm|grpc|http|process|combat|match_stats|memory)_\w+)[{\[]", query
    )
    return [name.removesuffix("_bucket") for name in names]


def rendered() -> dict[str, str]:
    """File name to text."""
    return {
        f"{name}.json": json.dumps(dashboard(name, title, panels), indent=2) + "\n"
        for name, (title, panels) in DASHBOARDS.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in rendered().items():
        (FOLDER / name).write_text(text)
