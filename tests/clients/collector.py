"""Collectors of spans that refuse what does not hold: OTLP over gRPC, and Zipkin's JSON."""

import http.server
import json
import threading
from concurrent import futures
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class Span:
    trace: str
    id: str
    parent: str
    service: str
    name: str
    kind: int
    attributes: dict = field(hash=False)
    links: tuple = ()


def value(any_value):
    kind = any_value.WhichOneof("value")
    assert kind is not None, "an attribute without a value"
    return getattr(any_value, kind)


def attributes(pairs) -> dict:
    made = {}
    for pair in pairs:
        assert pair.key, "an attribute without a name"
        assert pair.key not in made, f"two values of {pair.key}"
        made[pair.key] = value(pair.value)
    return made


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans, and remembers what is wrong with them: whoever asks for spans is told first."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None):
        self.spans: list[Span] = []
        self.faults: list[str] = []
        self.lock = threading.Lock()
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self.server)
        if credentials:
            self.port = self.server.add_secure_port("localhost:0", credentials)
        else:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        zipkin = type("Zipkin", (_Zipkin,), {"collector": self})
        self.zipkin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), zipkin)
        self.zipkin_port = self.zipkin.server_address[1]
        threading.Thread(target=self.zipkin.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.stop(0)
        self.zipkin.shutdown()
        self.zipkin.server_close()

    def Export(self, request, context):
        with self.lock:
            try:
                for resource in request.resource_spans:
                    service = attributes(resource.resource.attributes)["service.name"]
                    for scope in resource.scope_spans:
                        for span in scope.spans:
                            self.spans.append(self._checked(service, span))
            except (AssertionError, KeyError) as wrong:
                self.faults.append(repr(wrong))
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, repr(wrong))
        return trace_service_pb2.ExportTraceServiceResponse()

    def _checked(self, service: str, span) -> Span:
        assert len(span.trace_id) == 16, "a trace id has 16 bytes"
        assert any(span.trace_id), "a trace id is not zero"
        assert len(span.span_id) == 8, "a span id has 8 bytes"
        assert any(span.span_id), "a span id is not zero"
        assert len(span.parent_span_id) in (0, 8), "a parent id has 8 bytes or none"
        assert span.name, "a span has a name"
        assert 1 <= span.kind <= 5, f"{span.name} has no kind"
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, f"times of {span.name}"
        assert not span.dropped_attributes_count, f"{span.name} has dropped attributes"
        links = tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links)
        return Span(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            service,
            span.name,
            span.kind,
            attributes(span.attributes),
            links,
        )

    def take_zipkin(self, span: dict) -> None:
        kind = {"SERVER": 2, "CLIENT": 3}.get(span.get("kind"))
        ids = len(span["traceId"]) == 32 and len(span["id"]) == 16
        if not kind or not ids or not span.get("name"):
            self.faults.append(f"a span of Zipkin: {span}")
            return
        made = Span(
            span["traceId"],
            span["id"],
            span.get("parentId", ""),
            "gateway",
            span["name"],
            kind,
            span.get("tags", {}),
        )
        self.spans.append(made)

    def trace(self, trace_id: str) -> list[Span]:
        with self.lock:
            assert not self.faults, self.faults
            found = [span for span in self.spans if span.trace == trace_id]
        ids = [span.id for span in found]
        assert len(ids) == len(set(ids)), "a span was sent twice"
        return found


class _Zipkin(http.server.BaseHTTPRequestHandler):
    """Envoy's way to hand in spans with B3."""

    protocol_version = "HTTP/1.1"
    collector: Collector

    def do_POST(self):
        # Envoy sends it in chunks.
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        with self.collector.lock:
            for span in json.loads(body):
                self.collector.take_zipkin(span)
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass
