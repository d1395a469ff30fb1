"""A game server in Python: the client that grpc_tools generates from the contracts."""

import uuid

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct, Value

LARGEST_EXACT_INTEGER = 2**53 - 1


def struct(**fields) -> Struct:
    made = Struct()
    made.update(fields)
    return made


def create(api, state, type_, id_, **fields):
    request = api.messages.CreateAggregateRequest(type=type_, id=id_, state=struct(**fields))
    return state.CreateAggregate(request)


def patch(api, state, type_, id_, _expected=None, **fields):
    request = api.messages.UpdateAggregateRequest(
        type=type_, id=id_, merge_patch=struct(**fields), expected_version=_expected
    )
    return state.UpdateAggregate(request)


def operate(api, state, type_, id_, *operations):
    """Applies operations, each given as (kind, fields)."""
    made = [api.aggregate.Operation(**{kind: fields}) for kind, fields in operations]
    request = api.messages.UpdateAggregateRequest(
        type=type_, id=id_, operations=api.aggregate.Operations(operations=made)
    )
    return state.UpdateAggregate(request)


def get(api, state, type_, id_, **how):
    return state.GetAggregate(api.messages.GetAggregateRequest(type=type_, id=id_, **how))


def test_a_player_is_read_as_it_was_put(api, state, new_id):
    player = api.player.PlayerState(
        status="online",
        level=12,
        experience=LARGEST_EXACT_INTEGER,
        health=87.5,
        position_x=-1024.25,
        position_y=3,
        position_z=0.125,
        inventory=struct(gold=250, sword={"damage": 12.5, "name": "Glamdring ⚔"}),
        statistics=struct(kills=3),
        achievements=struct(first_blood=True),
    )
    put = state.PutPlayer(api.messages.PutPlayerRequest(player_id=new_id, player=player))
    assert put.write.version == 1
    assert put.write.token
    assert not put.write.repeated_write

    answer = state.GetPlayer(api.messages.GetPlayerRequest(player_id=new_id))
    player.player_id = new_id
    player.version = 1
    player.last_updated.CopyFrom(put.write.time)
    assert answer.player == player
    assert answer.freshness.version == 1
    assert answer.freshness.token


def test_a_mask_writes_only_its_fields(api, state, new_id):
    first = api.player.PlayerState(status="online", level=2, inventory=struct(gold=5, wood=1))
    state.PutPlayer(api.messages.PutPlayerRequest(player_id=new_id, player=first))
    request = api.messages.PutPlayerRequest(
        player_id=new_id,
        player=api.player.PlayerState(health=40, inventory=struct(gold=9, wood=7)),
        expected_version=1,
    )
    request.update_mask.FromJsonString("health,inventory.gold")
    answer = state.PutPlayer(request)
    assert answer.player.version == 2
    assert (answer.player.status, answer.player.level, answer.player.health) == (
        "online",
        2,
        40,
    )
    assert MessageToDict(answer.player.inventory) == {"gold": 9, "wood": 1}


def test_a_match_is_read_as_it_was_put(api, state, new_id):
    match = api.player.MatchState(phase="lobby", players=struct(ann={"team": "red"}))
    state.PutMatch(api.messages.PutMatchRequest(match_id=new_id, match=match))
    answer = state.GetMatch(api.messages.GetMatchRequest(match_id=new_id)).match
    assert (answer.phase, answer.version) == ("lobby", 1)
    assert MessageToDict(answer.players) == {"ann": {"team": "red"}}


def folded(answer):
    """The field `global`, whose name Python keeps for itself."""
    return getattr(answer, "global")


def test_global_state_follows_the_players(api, state, new_id):
    before = folded(state.GetGlobal(api.messages.GetGlobalRequest()))
    player = api.player.PlayerState(status="in_lobby", level=1)
    put = state.PutPlayer(api.messages.PutPlayerRequest(player_id=new_id, player=player))
    after = folded(state.SyncGlobal(api.messages.SyncGlobalRequest(token=put.write.token)))
    assert after.players_online == before.players_online + 1
    assert after.players_by_status["in_lobby"] == before.players_by_status["in_lobby"] + 1


def test_a_merge_patch_changes_nested_fields_and_removes_nulls(api, state, open_type, new_id):
    create(api, state, open_type, new_id, a={"b": 1, "c": 2}, d="x")
    answer = patch(api, state, open_type, new_id, a={"b": None, "e": [1, 2]}, d="y")
    assert answer.write.version == 2
    assert MessageToDict(answer.aggregate.state) == {
        "a": {"c": 2, "e": [1, 2]},
        "d": "y",
    }


def test_operations_apply_in_order(api, state, open_type, new_id):
    create(api, state, open_type, new_id, gold=10, log=["a"], old=1)
    text = Value(string_value="b")
    answer = operate(
        api,
        state,
        open_type,
        new_id,
        ("increment", {"path": "gold", "by": -4, "min": 0}),
        ("increment", {"path": "gold", "by": 100, "max": 50, "clamp": True}),
        ("append", {"path": "log", "values": [text, text], "length_max": 2}),
        ("add_to_set", {"path": "tags", "values": [text, text]}),
        ("maximum", {"path": "best", "value": Value(number_value=7)}),
        ("set", {"path": 'deep."boss.kills"', "value": Value(bool_value=True)}),
        ("remove", {"path": "old"}),
    )
    assert MessageToDict(answer.aggregate.state) == {
        "gold": 50,
        "log": ["b", "b"],
        "tags": ["b"],
        "best": 7,
        "deep": {"boss.kills": True},
    }


def test_time_travel_by_version_and_time(api, state, open_type, new_id):
    create(api, state, open_type, new_id, level=1)
    second = patch(api, state, open_type, new_id, level=2)
    patch(api, state, open_type, new_id, level=3)

    def level(answer):
        return answer.aggregate.version, answer.aggregate.state["level"]

    assert level(get(api, state, open_type, new_id, version=1)) == (1, 1)
    assert level(get(api, state, open_type, new_id, at_time=second.write.time)) == (
        2,
        2,
    )
    now = get(api, state, open_type, new_id, include_events=True)
    assert level(now) == (3, 3)
    assert [(event.version, event.kind) for event in now.events] == [
        (1, "created"),
        (2, "merged"),
        (3, "merged"),
    ]


def test_diff_names_what_was_added_changed_and_removed(api, state, open_type, new_id):
    create(api, state, open_type, new_id, kept=1, changed="a", removed=True)
    patch(api, state, open_type, new_id, changed="b", removed=None, added=2)
    answer = state.DiffAggregate(
        api.messages.DiffAggregateRequest(**{"type": open_type, "id": new_id, "from": 1, "to": 2})
    )
    kinds = api.aggregate.Difference
    assert [(difference.path, difference.kind) for difference in answer.differences] == [
        ("added", kinds.KIND_ADDED),
        ("changed", kinds.KIND_CHANGED),
        ("removed", kinds.KIND_REMOVED),
    ]


def test_rollback_is_a_new_event_that_compensates(api, state, open_type, new_id):
    create(api, state, open_type, new_id, gold=10)
    patch(api, state, open_type, new_id, gold=0, cheated=True)
    target = {"type": open_type, "id": new_id, "to_version": 1}
    dry = state.RollbackAggregate(api.messages.RollbackAggregateRequest(dry_run=True, **target))
    assert [difference.path for difference in dry.differences] == ["cheated", "gold"]
    assert get(api, state, open_type, new_id).aggregate.version == 2

    request = api.messages.RollbackAggregateRequest(reason="a cheat", **target)
    done = state.RollbackAggregate(request)
    assert done.aggregate.version == 3
    assert MessageToDict(done.aggregate.state) == {"gold": 10}
    listed = state.ListEvents(api.messages.ListEventsRequest(type=open_type, id=new_id))
    assert [event.kind for event in listed.events] == [
        "created",
        "merged",
        "rolled_back",
    ]
    assert listed.events[2].metadata.reason == "a cheat"


def test_replay_shows_the_state_after_each_event(api, state, open_type, new_id):
    create(api, state, open_type, new_id, n=0)
    for n in range(1, 20):
        patch(api, state, open_type, new_id, n=n)
    request = api.messages.ReplayAggregateRequest(type=open_type, id=new_id, from_version=5)
    steps = list(state.ReplayAggregate(request))
    assert [step.event.version for step in steps] == list(range(5, 21))
    assert [step.aggregate.state["n"] for step in steps] == list(range(4, 20))


def test_a_trade_is_all_or_nothing(api, state, open_type, new_id):
    buyer, seller = f"{new_id}-buyer", f"{new_id}-seller"
    create(api, state, open_type, buyer, gold=10)
    create(api, state, open_type, seller, gold=0)

    def trade(price):
        def pay(id_, by):
            operation = api.aggregate.Operation(increment={"path": "gold", "by": by, "min": 0})
            operations = api.aggregate.Operations(operations=[operation])
            return api.messages.TransactionPart(type=open_type, id=id_, operations=operations)

        parts = [pay(seller, price), pay(buyer, -price)]
        return state.Transact(api.messages.TransactRequest(parts=parts))

    assert [write.version for write in trade(7).writes] == [2, 2]
    with pytest.raises(grpc.RpcError) as refused:
        trade(7)
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    gold = [get(api, state, open_type, id_).aggregate for id_ in (buyer, seller)]
    assert [(now.version, now.state["gold"]) for now in gold] == [(2, 3), (2, 7)]


def test_an_idempotency_key_makes_a_retry_one_write(api, state, open_type, new_id):
    create(api, state, open_type, new_id, n=0)
    key = str(uuid.uuid4())
    operation = api.aggregate.Operation(increment={"path": "n", "by": 1})
    request = api.messages.UpdateAggregateRequest(
        type=open_type,
        id=new_id,
        operations=api.aggregate.Operations(operations=[operation]),
        idempotency_key=key,
    )
    first = state.UpdateAggregate(request)
    again = state.UpdateAggregate(request)
    assert (first.write.version, first.write.repeated_write) == (2, False)
    assert (again.write.version, again.write.repeated_write) == (2, True)
    assert get(api, state, open_type, new_id).aggregate.state["n"] == 1


def test_a_list_goes_through_pages(api, state, new_id):
    type_ = f"paged_{uuid.uuid4().hex[:8]}"
    schema = api.schema.TypeSchema(open=True)
    state.RegisterType(api.messages.RegisterTypeRequest(type=type_, schema=schema))
    for n in range(7):
        create(api, state, type_, f"{n}", level=n)
    seen, token, pages = [], "", 0
    while pages == 0 or token:
        request = api.messages.ListAggregatesRequest(
            type=type_, filter="level >= 2", page_size=2, page_token=token
        )
        page = state.ListAggregates(request)
        assert len(page.aggregates) <= 2
        seen += [found.id for found in page.aggregates]
        token, pages = page.next_page_token, pages + 1
    assert seen == ["2", "3", "4", "5", "6"]


def test_batches_settle_each_part_for_itself(api, state, open_type, new_id):
    create(api, state, open_type, new_id, n=0)
    ids = [new_id, f"{new_id}-missing", new_id]
    updates = [
        api.messages.UpdateAggregateRequest(
            type=open_type, id=id_, merge_patch=struct(n=n), must_exist=True
        )
        for n, id_ in enumerate(ids)
    ]
    done = state.BatchUpdateAggregates(
        api.messages.BatchUpdateAggregatesRequest(updates=updates)
    ).results
    assert [result.WhichOneof("result") for result in done] == [
        "updated",
        "refusal",
        "updated",
    ]
    assert [result.updated.write.version for result in done] == [2, 0, 3]
    assert done[1].refusal.reason

    keys = [api.messages.AggregateKey(type=open_type, id=id_) for id_ in ids[:2]]
    found = state.BatchGetAggregates(api.messages.BatchGetAggregatesRequest(keys=keys)).results
    assert found[0].aggregate.version == 3
    assert found[1].refusal.reason == "NOT_FOUND"


def test_a_stream_of_updates_answers_each(api, state, open_type, new_id):
    create(api, state, open_type, new_id, n=0)
    count = 200

    def requests():
        for sequence in range(count):
            operation = api.aggregate.Operation(increment={"path": "n", "by": 1})
            update = api.messages.UpdateAggregateRequest(
                type=open_type,
                id=new_id,
                operations=api.aggregate.Operations(operations=[operation]),
                result_only=True,
            )
            yield api.messages.StreamUpdatesRequest(sequence=sequence, update=update)

    answers = list(state.StreamUpdates(requests()))
    versions = {answer.sequence: answer.result.updated.write.version for answer in answers}
    assert versions == {sequence: sequence + 2 for sequence in range(count)}
    assert get(api, state, open_type, new_id).aggregate.state["n"] == count


def test_a_cut_off_game_server_is_whole_after_one_call(api, state, new_id):
    player = api.player.PlayerState(status="online", level=1, inventory=struct(gold=1))
    state.PutPlayer(api.messages.PutPlayerRequest(player_id=new_id, player=player))

    def change(key, by):
        operation = api.aggregate.Operation(
            increment={"path": "inventory.gold", "by": by, "min": 0}
        )
        operations = api.aggregate.Operations(operations=[operation])
        return api.messages.PendingChange(idempotency_key=key, operations=operations)

    request = api.messages.SyncPlayerRequest(
        player_id=new_id,
        last_seen_version=0,
        changes=[change("a", 5), change("b", -99)],
    )
    answer = state.SyncPlayer(request)
    status = api.messages.ChangeOutcome
    assert [outcome.status for outcome in answer.outcomes] == [
        status.STATUS_APPLIED,
        status.STATUS_REFUSED,
    ]
    assert MessageToDict(answer.player.inventory) == {"gold": 6}
    assert [event.version for event in answer.events] == [1, 2]
    again = state.SyncPlayer(request)
    assert again.outcomes[0].status == status.STATUS_REPEATED
    assert again.player.version == 2


def test_own_events_stand_in_the_history_and_leave_the_state(api, state, open_type, new_id):
    create(api, state, open_type, new_id, n=1)
    event = api.messages.NewAggregateEvent(kind="quest.done", data=Value(string_value="dragon"))
    request = api.messages.AppendEventsRequest(
        type=open_type, id=new_id, events=[event], expected_version=1
    )
    assert state.AppendEvents(request).first_version == 2
    now = get(api, state, open_type, new_id, include_events=True)
    assert now.aggregate.state["n"] == 1
    assert (now.events[1].kind, now.events[1].data.string_value) == (
        "quest.done",
        "dragon",
    )


def test_a_deleted_aggregate_keeps_its_history(api, state, open_type, new_id):
    create(api, state, open_type, new_id, n=1)
    request = api.messages.DeleteAggregateRequest(type=open_type, id=new_id, expected_version=1)
    assert state.DeleteAggregate(request).write.version == 2
    with pytest.raises(grpc.RpcError) as gone:
        get(api, state, open_type, new_id)
    assert gone.value.code() == grpc.StatusCode.NOT_FOUND
    assert get(api, state, open_type, new_id, version=1).aggregate.state["n"] == 1


def test_compressed_calls_are_understood(api, channel, open_type, new_id):
    compressed = api.grpc.StateServiceStub(channel)
    text = "gold " * 10_000
    request = api.messages.CreateAggregateRequest(
        type=open_type, id=new_id, state=struct(text=text)
    )
    answer = compressed.CreateAggregate(request, compression=grpc.Compression.Gzip)
    assert answer.aggregate.state["text"] == text


def test_the_correlation_id_comes_back_and_stands_in_the_history(api, state, open_type, new_id):
    request = api.messages.CreateAggregateRequest(type=open_type, id=new_id)
    _, call = state.CreateAggregate.with_call(request, metadata=[("x-correlation-id", "quest-7")])
    assert ("x-correlation-id", "quest-7") in call.initial_metadata()
    events = get(api, state, open_type, new_id, include_events=True).events
    assert events[0].metadata.correlation_id == "quest-7"
