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
            (
                "Outbox",
                "reqps",
                [
                    (rate("gamemesh_outbox_published_total"), "published"),
                    (rate("gamemesh_outbox_failures_total"), "begun anew"),
                    (rate("gamemesh_outbox_fenced_total"), "found another at it"),
                ],
            ),
            (
                "Calls in flight",
                "short",
                [(total("grpc_server_in_flight", "instance"), "{{instance}}")],
            ),
            (
                "Connections accepted and refused",
                "reqps",
                [
                    (rate("gamemesh_connections_accepted_total"), "accepted"),
                    (rate("gamemesh_connections_refused_total"), "refused"),
                ],
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
            (
                "Answers compared with the log, and snapshots",
                "reqps",
                [
                    (rate("gamemesh_cache_sampled_total"), "answers"),
                    (rate("gsm_snapshots_audited_total"), "snapshots"),
                    (rate("gsm_snapshots_wrong_total"), "wrong"),
                ],
            ),
            (
                "Events of the feed, by where they came from",
                "reqps",
                [(rate("gamemesh_feed_events_total", "how"), "{{how}}")],
            ),
            (
                "Lanes owned",
                "short",
                [(total("gamemesh_lanes_owned", "instance"), "{{instance}}")],
            ),
            (
                "Lanes: takeovers and calls passed on",
                "reqps",
                [
                    (rate("gamemesh_lanes_takeovers_total"), "takeovers"),
                    (rate("gamemesh_lanes_calls_passed_on_total"), "passed on"),
                ],
            ),
            (
                "Lanes: age of the lease",
                "s",
                [(total("gamemesh_lanes_lease_age_seconds", "instance", "max"), "{{instance}}")],
            ),
            (
                "Tables written again",
                "reqps",
                [(rate("gsm_projection_failures_total"), "failures")],
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
            (
                "WebSockets",
                "short",
                [
                    (total("http_server_websockets_open"), "open"),
                    (rate("combat_connections_closed_total"), "closed by the server a second"),
                ],
            ),
            (
                "Requests for WebSockets",
                "reqps",
                [(rate("http_server_requests_total", "status"), "{{status}}")],
            ),
            (
                "Requests for WebSockets P99",
                "s",
                [(quantile(0.99, "http_server_request_seconds"), "P99")],
            ),
            (
                "Commands P99",
                "s",
                [(quantile(0.99, "combat_command_duration_seconds"), "P99")],
            ),
            (
                "Ticks after their time, P99",
                "s",
                [(quantile(0.99, "combat_tick_lateness_seconds"), "P99")],
            ),
            (
                "Frames",
                "reqps",
                [
                    (rate("combat_frames_total"), "sent"),
                    (rate("combat_frames_encoded_total"), "encoded"),
                    (rate("combat_frames_conflated_total"), "conflated"),
                ],
            ),
            (
                "Frames that were refused",
                "reqps",
                [
                    (rate("combat_frames_malformed_total"), "malformed"),
                    (rate("combat_frames_limited_total"), "too many"),
                ],
            ),
            ("Bytes of frames", "Bps", [(rate("combat_frame_bytes_total"), "sent")]),
            (
                "Blocks of the log",
                "reqps",
                [
                    (rate("combat_blocks_total"), "written"),
                    (rate("combat_block_failures_total"), "failed"),
                ],
            ),
            (
                "Lanes owned",
                "short",
                [(total("combat_lanes_owned", "instance"), "{{instance}}")],
            ),
            (
                "Lanes: takeovers and calls passed on",
                "reqps",
                [
                    (rate("combat_lanes_takeovers_total"), "takeovers"),
                    (rate("combat_lanes_calls_passed_on_total"), "passed on"),
                ],
            ),
            (
                "Lanes: age of the lease",
                "s",
                [(total("combat_lanes_lease_age_seconds", "instance", "max"), "{{instance}}")],
            ),
            ("Sessions lost", "short", [(total("combat_sessions_lost_total"), "lost")]),
            (
                "Damage judged again",
                "reqps",
                [
                    (rate("combat_validations_total"), "judged"),
                    (rate("combat_validations_disagreed_total"), "disagreed"),
                    (rate("combat_validations_unreadable_total"), "unreadable"),
                ],
            ),
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
            (
                "Events that did not count",
                "reqps",
                [
                    (rate("match_stats_events_duplicate_total"), "there already"),
                    (rate("match_stats_events_conflict_total"), "another of that id"),
                    (rate("match_stats_events_late_total"), "late"),
                    (rate("match_stats_events_refused_total"), "refused"),
                    (rate("match_stats_events_shed_total"), "shed"),
                ],
            ),
            ("Waiting events", "short", [(total("match_stats_queue_events"), "events")]),
            ("Waiting bytes", "bytes", [(total("match_stats_queue_bytes"), "bytes")]),
            ("Blocks behind", "short", [(total("match_stats_lag_blocks", "", "max"), "blocks")]),
            ("Memory", "bytes", [(total("match_stats_memory_bytes", "instance"), "{{instance}}")]),
            (
                "Watchers and folds from the log",
                "short",
                [
                    (total("match_stats_watchers"), "watchers"),
                    (total("match_stats_refolds_total"), "folds"),
                ],
            ),
        ],
    ),
    "memory": (
        "gamemesh: memory",
        [
            *red("memory"),
            (
                "Recall P99",
                "s",
                [(quantile(0.99, "memory_recall_duration_seconds"), "P99")],
            ),
            (
                "Memories",
                "reqps",
                [
                    (rate("memory_stored_total"), "stored"),
                    (rate("memory_evicted_total"), "evicted"),
                ],
            ),
            (
                "Pages found and read",
                "reqps",
                [
                    (rate("memory_page_hits_total"), "found"),
                    (rate("memory_page_misses_total"), "read"),
                ],
            ),
            ("Pages", "bytes", [(total("memory_pages_bytes", "instance"), "{{instance}}")]),
            (
                "Vectors made",
                "reqps",
                [
                    (rate("memory_embedded_total"), "made"),
                    (rate("memory_embedding_failures_total"), "failed"),
                ],
            ),
            (
                "Documents: reads and writes P99",
                "s",
                [
                    (quantile(0.99, "memory_documents_read_duration_seconds"), "reads"),
                    (quantile(0.99, "memory_documents_write_duration_seconds"), "writes"),
                ],
            ),
            (
                "Documents: cache",
                "reqps",
                [
                    (rate("memory_documents_cache_hits_total"), "hits"),
                    (rate("memory_documents_cache_misses_total"), "misses"),
                ],
            ),
            (
                "Documents: bytes of the cache",
                "bytes",
                [(total("memory_documents_cache_bytes", "instance"), "{{instance}}")],
            ),
            (
                "Documents: what must stay 0",
                "short",
                [
                    (total("memory_documents_cache_stale_beyond_bound_total"), "stale"),
                    (total("memory_documents_snapshots_wrong_total"), "wrong snapshots"),
                    (total("memory_documents_projection_failures_total"), "table failures"),
                ],
            ),
            (
                "Documents: compared with the log",
                "reqps",
                [
                    (rate("memory_documents_cache_sampled_total"), "answers"),
                    (rate("memory_documents_snapshots_audited_total"), "snapshots"),
                ],
            ),
            (
                "Documents: watchers and events of the feed",
                "short",
                [
                    (total("memory_documents_watchers"), "watchers"),
                    (rate("memory_feed_events_total"), "events a second"),
                ],
            ),
        ],
    ),
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
