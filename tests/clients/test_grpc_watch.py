"""Watching over gRPC: the present state, then every change once and in order, whatever is cut."""

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct

CHANGES = 8


class Watch:
    """One call to WatchAggregates, read message by message."""

    def __init__(self, api, state, **request):
        self.call = state.WatchAggregates(
            api.messages.WatchAggregatesRequest(**request), timeout=30
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.call.cancel()

    def next(self, kind):
        """The next message of this kind; only checkpoints may stand before it."""
        for message in self.call:
            which = message.WhichOneof("message")
            if which == kind:
                return message
            assert which == "checkpoint", f"{which} instead of {kind}"
        raise AssertionError(f"the watch ended before {kind}")


@pytest.fixture
def counter(api, state, open_type, new_id):
    """An aggregate, and a function that sets its field `n`."""
    key = {"type": open_type, "id": new_id}

    def set_to(n):
        patch = Struct()
        patch["n"] = n
        request = api.messages.UpdateAggregateRequest(merge_patch=patch, **key)
        return state.UpdateAggregate(request).write.version

    state.CreateAggregate(api.messages.CreateAggregateRequest(**key))
    return key, set_to


def test_a_watch_begins_with_the_present_and_goes_on_with_changes(api, state, counter):
    key, set_to = counter
    with Watch(api, state, **key) as watch:
        assert watch.next("present").present.version == 1
        assert watch.next("begun").resume_token
        set_to(7)
        change = watch.next("change").change
        assert (change.event.version, change.event.kind) == (2, "merged")
        assert change.aggregate.state["n"] == 7


def test_resumed_after_every_message_it_sees_each_change_once(api, state, counter):
    key, set_to = counter
    with Watch(api, state, **key) as watch:
        watch.next("present")
        token = watch.next("begun").resume_token
    for n in range(CHANGES):
        set_to(n)
    seen = []
    for _ in range(CHANGES):
        with Watch(api, state, resume_token=token, **key) as watch:
            message = watch.next("change")
            seen.append(message.change.event.version)
            token = message.resume_token
    assert seen == list(range(2, CHANGES + 2))
    set_to(99)
    with Watch(api, state, resume_token=token, **key) as watch:
        assert watch.next("change").change.event.version == CHANGES + 2


def test_changes_only_leaves_out_the_present(api, state, counter):
    key, set_to = counter
    with Watch(api, state, changes_only=True, **key) as watch:
        watch.next("begun")
        set_to(1)
        assert watch.next("change").change.event.version == 2


def test_a_filter_passes_only_what_matches(api, state, counter):
    key, set_to = counter
    with Watch(api, state, filter="n >= 5", changes_only=True, **key) as watch:
        watch.next("begun")
        for n in (1, 6, 2, 9):
            set_to(n)
        found = [watch.next("change").change.aggregate.state["n"] for _ in range(2)]
        assert found == [6, 9]


def test_a_watch_of_a_type_sees_all_its_aggregates(api, state, open_type, counter, new_id):
    with Watch(api, state, type=open_type, changes_only=True) as watch:
        watch.next("begun")
        ids = [f"{new_id}-{n}" for n in range(3)]
        for id_ in ids:
            state.CreateAggregate(api.messages.CreateAggregateRequest(type=open_type, id=id_))
        assert [watch.next("change").change.event.id for _ in ids] == ids


def test_a_tampered_token_is_refused(api, state, counter):
    key, _ = counter
    with Watch(api, state, **key) as watch:
        watch.next("present")
        token = watch.next("begun").resume_token
    middle = len(token) // 2
    tampered = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    with (
        pytest.raises(grpc.RpcError) as refused,
        Watch(api, state, resume_token=tampered, **key) as watch,
    ):
        watch.next("change")
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_token_of_another_watch_is_refused(api, state, counter):
    key, _ = counter
    with Watch(api, state, **key) as watch:
        watch.next("present")
        token = watch.next("begun").resume_token
    other = {"type": key["type"], "id": "another"}
    with (
        pytest.raises(grpc.RpcError) as refused,
        Watch(api, state, resume_token=token, **other) as watch,
    ):
        watch.next("change")
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
