"""What bad requests get over gRPC: a code, a stable reason, and details that a program can use."""

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2
from grpc_status import rpc_status

SMALLEST_INT64 = -(2**63)


def refused(call) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value


def details(error) -> dict:
    """The google.rpc details of an error by the names of their messages."""
    found = {}
    for packed in rpc_status.from_call(error).details:
        name = packed.type_url.rpartition(".")[2]
        message = getattr(error_details_pb2, name)()
        assert packed.Unpack(message)
        found[name] = message
    return found


# name: (rpc, fields of the request, code, reason, field that is named)
CASES = {
    "missing player": (
        "GetPlayer",
        {"player_id": "nobody"},
        "NOT_FOUND",
        "NOT_FOUND",
        None,
    ),
    "empty id": (
        "GetPlayer",
        {"player_id": ""},
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        "playerId",
    ),
    "control character in an id": (
        "GetPlayer",
        {"player_id": "a\0b"},
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        "playerId",
    ),
    "4 KiB id": (
        "GetPlayer",
        {"player_id": "x" * 4096},
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        "playerId",
    ),
    "value out of its bounds": (
        "PutPlayer",
        {"player_id": "bad", "player": {"status": "online", "level": 1001}},
        "INVALID_ARGUMENT",
        "SCHEMA_VIOLATION",
        "level",
    ),
    "text that is none of the accepted": (
        "PutPlayer",
        {"player_id": "bad", "player": {"status": "flying", "level": 1}},
        "INVALID_ARGUMENT",
        "SCHEMA_VIOLATION",
        "status",
    ),
    "number that is none": (
        "PutPlayer",
        {
            "player_id": "bad",
            "player": {"status": "online", "level": 1, "health": float("nan")},
        },
        "INVALID_ARGUMENT",
        None,
        "player.health",
    ),
    "mask with an unknown field": (
        "PutPlayer",
        {"player_id": "bad", "player": {}, "update_mask": {"paths": ["wings"]}},
        "INVALID_ARGUMENT",
        None,
        None,
    ),
    "unknown type": (
        "GetAggregate",
        {"type": "no_such_type", "id": "x"},
        "INVALID_ARGUMENT",
        "UNKNOWN_TYPE",
        None,
    ),
    "negative version": (
        "GetAggregate",
        {"type": "player", "id": "x", "version": -1},
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        "version",
    ),
    "patch of what is not there": (
        "UpdateAggregate",
        {"type": "player", "id": "nobody", "merge_patch": {}},
        "NOT_FOUND",
        "NOT_FOUND",
        None,
    ),
    "no change at all": (
        "UpdateAggregate",
        {"type": "player", "id": "nobody"},
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        None,
    ),
    "negative page size": (
        "ListAggregates",
        {"type": "player", "page_size": -1},
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        "pageSize",
    ),
    "filter that cannot be read": (
        "ListAggregates",
        {"type": "player", "filter": "level >="},
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        "filter",
    ),
    "page token of one's own making": (
        "ListAggregates",
        {"type": "player", "page_token": "abc"},
        "INVALID_ARGUMENT",
        "TOKEN_INVALID",
        None,
    ),
    "empty transaction": (
        "Transact",
        {},
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        "parts",
    ),
    "smallest integer as expected version": (
        "DeleteAggregate",
        {"type": "player", "id": "x", "expected_version": SMALLEST_INT64},
        "INVALID_ARGUMENT",
        "INVALID_ARGUMENT",
        "expectedVersion",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_request(api, state, name):
    rpc, fields, code, reason, field = CASES[name]
    request = getattr(api.messages, f"{rpc}Request")(**fields)
    error = refused(lambda: getattr(state, rpc)(request))
    assert error.code().name == code, error.details()
    found = details(error)
    assert found["ErrorInfo"].domain == "gamemesh"
    if reason:
        assert found["ErrorInfo"].reason == reason
    if field:
        violations = found["BadRequest"].field_violations
        assert [violation.field for violation in violations] == [field]
        assert violations[0].description


def test_a_conflict_names_both_versions(api, state, new_id):
    put = api.messages.PutPlayerRequest(
        player_id=new_id,
        player=api.player.PlayerState(status="online", level=1),
        expected_version=0,
    )
    state.PutPlayer(put)
    put.expected_version = 5
    error = refused(lambda: state.PutPlayer(put))
    assert error.code() == grpc.StatusCode.ABORTED
    info = details(error)["ErrorInfo"]
    assert info.reason == "VERSION_CONFLICT"
    assert (info.metadata["expectedVersion"], info.metadata["actualVersion"]) == (
        "5",
        "1",
    )


def test_must_not_exist_is_refused_for_what_exists(api, state, new_id):
    put = api.messages.PutPlayerRequest(
        player_id=new_id,
        player=api.player.PlayerState(status="online", level=1),
        expected_version=0,
    )
    state.PutPlayer(put)
    error = refused(lambda: state.PutPlayer(put))
    assert error.code() in (grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.ABORTED)
    version = state.GetPlayer(api.messages.GetPlayerRequest(player_id=new_id)).player.version
    assert version == 1


def test_a_version_of_the_future_is_out_of_history(api, state, open_type, new_id):
    key = {"type": open_type, "id": new_id}
    state.CreateAggregate(api.messages.CreateAggregateRequest(**key))
    for call in (
        lambda: state.GetAggregate(api.messages.GetAggregateRequest(version=9, **key)),
        lambda: state.RollbackAggregate(api.messages.RollbackAggregateRequest(to_version=9, **key)),
    ):
        error = refused(call)
        assert error.code() == grpc.StatusCode.OUT_OF_RANGE
        assert details(error)["ErrorInfo"].reason == "OUT_OF_HISTORY"


def test_a_key_used_for_another_request_is_refused(api, state, open_type, new_id):
    request = api.messages.CreateAggregateRequest(type=open_type, id=new_id, idempotency_key=new_id)
    state.CreateAggregate(request)
    request.id = f"{new_id}-other"
    error = refused(lambda: state.CreateAggregate(request))
    assert details(error)["ErrorInfo"].reason == "IDEMPOTENCY_KEY_REUSED"


def test_a_deadline_ends_a_watch(api, state, new_id):
    request = api.messages.WatchAggregatesRequest(type="player", id=new_id)
    error = refused(lambda: list(state.WatchAggregates(request, timeout=0.5)))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_an_unknown_method_is_unimplemented(channel):
    call = channel.unary_unary("/gamemesh.state.v1.StateService/NoSuchMethod")
    error = refused(lambda: call(b""))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_message_that_is_none_is_refused(channel):
    call = channel.unary_unary("/gamemesh.state.v1.StateService/GetPlayer")
    error = refused(lambda: call(b"\xff\xff\xff"))
    assert error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT)


def test_too_large_a_message_is_refused(api, state, open_type, new_id):
    content = Struct()
    content["text"] = "x" * 10_000_000
    request = api.messages.CreateAggregateRequest(type=open_type, id=new_id, state=content)
    error = refused(lambda: state.CreateAggregate(request))
    assert error.code() in (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.OUT_OF_RANGE,
    )
