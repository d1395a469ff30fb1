"""Stats: what is served equals an independent recount of the raw events, whatever way they came."""

import json
import random
import uuid
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import requests

from stats_recount import FIGURES, Recount, once
from support import curl, run

BEGIN_MS = 1_767_225_600_000
MILLI = {"damage_dealt", "damage_taken", "team_damage", "overkill_damage", "distance"}
WEAPONS = ("rifle", "shotgun", "bow")
ROUNDS = 5


@pytest.fixture(scope="session")
def stats_api(api):
    from types import SimpleNamespace

    from gamemesh.stats.v1 import event_pb2, ingest_pb2, match_stats_service_pb2_grpc, messages_pb2

    return SimpleNamespace(
        event=event_pb2, ingest=ingest_pb2, messages=messages_pb2, grpc=match_stats_service_pb2_grpc
    )


def generated(seed, rounds, size=400):
    """A match of two teams, with everything that matches have and some that they should not."""
    chance = random.Random(seed)
    match_id = f"recount-{seed}-{uuid.uuid4()}"
    players = [f"p{n}-{seed}" for n in range(8)]
    events = []

    def add(kind, at, player=None, **data):
        event = {
            "event_id": str(uuid.UUID(int=chance.getrandbits(128))),
            "match_id": match_id,
            "event_type": kind,
            "timestamp": BEGIN_MS + at,
            "event_data": {key: value for key, value in data.items() if value is not None},
        }
        if player:
            event["player_id"] = player
        events.append(event)

    add("match_start", 0, map="dust", mode="rounds" if rounds else "deathmatch")
    for index, player in enumerate(players):
        # The last is on his own, and one is only ever killed.
        if index < 6:
            add("player_join", chance.randrange(1000), player, team="red" if index % 2 else "blue")
    length = 600_000
    if rounds:
        for number in range(ROUNDS):
            start = 2_000 + number * length // ROUNDS
            add("objective", start, name="round_start", round=number + 1)
            add(
                "objective",
                start + length // ROUNDS - chance.choice((0, 1, 3_000)),
                name="round_end",
                round=number + 1,
                winner=chance.choice(("red", "blue", None)),
            )
    for _ in range(size):
        at = chance.randrange(0, length, 250)
        me, other = chance.choice(players), chance.choice([*players, None])
        weapon = chance.choice((*WEAPONS, None))
        kind = chance.choices(
            (
                "kill",
                "death",
                "assist",
                "damage",
                "position",
                "item_use",
                "objective",
                "player_leave",
            ),
            (6, 2, 2, 8, 6, 4, 2, 0.3),
        )[0]
        if kind == "kill":
            add(kind, at, me, victim_id=other, weapon=weapon, headshot=chance.random() < 0.3)
            if other and chance.random() < 0.3:
                add(
                    "death",
                    at + chance.choice((0, 250, 1_000, 1_250)),
                    other,
                    killer_id=chance.choice((me, None)),
                )
        elif kind == "death":
            add(kind, at, me, killer_id=other)
        elif kind == "assist":
            add(kind, at, me, victim_id=other)
        elif kind == "damage":
            for _ in range(chance.choice((1, 1, 2))):
                add(
                    kind,
                    at,
                    me,
                    target_id=other,
                    amount=round(chance.uniform(0, 120), 4),
                    weapon=weapon,
                    headshot=chance.random() < 0.2,
                    target_health=chance.choice((None, 100, 63.5)),
                    shot_id=chance.choice((None, 1, 2, 3)),
                )
        elif kind == "position":
            add(
                kind,
                at,
                me,
                x=chance.uniform(-90, 90),
                y=chance.uniform(-90, 90),
                z=chance.uniform(0, 9),
            )
        elif kind == "item_use":
            add(
                kind,
                at,
                me,
                item=weapon,
                quantity=chance.choice((None, 2)),
                shots=chance.choice((None, 1, 7)),
            )
        elif kind == "objective":
            add(
                kind,
                at,
                chance.choice((me, None)),
                name=chance.choice(("flag", "spawn")),
                points=chance.choice((None, 5)),
            )
        else:
            add(kind, at, me)
    add("match_end", length + 5_000, winner="red")
    return match_id, events


def posted(server, events):
    """Sends events; answers the results."""
    answer = requests.post(f"{server.url}/api/v1/match-stats/events", json=events, timeout=60)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert len(results) == len(events)
    return results


def served(server, match_id):
    answer = requests.get(f"{server.url}/api/v1/match-stats/matches/{match_id}", timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def camel(name):
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def shown_figures(player):
    figures = {}
    for figure in FIGURES:
        value = player[camel(figure)]
        if figure.startswith("time_"):
            figures[figure] = round(float(value.rstrip("s")) * 1000)
        elif figure in MILLI:
            figures[figure] = round(value * 1000)
        else:
            figures[figure] = int(value)
    return figures


def check(server, match_id, events):
    recount, shown = Recount(events), served(server, match_id)
    different = once(events)
    assert int(shown["version"]) == len(different)
    expected = recount.figures()
    players = {player["playerId"]: player for player in shown["players"]}
    assert list(players) == sorted(expected)
    for name, figures in expected.items():
        assert shown_figures(players[name]) == figures, name
        weapons = {
            weapon["weapon"]: {
                "kills": weapon["kills"],
                "headshot_kills": weapon["headshotKills"],
                "damage": round(weapon["damage"] * 1000),
                "shots_fired": int(weapon["shotsFired"]),
                "shots_hit": weapon["shotsHit"],
                "headshot_hits": weapon["headshotHits"],
            }
            for weapon in players[name]["weapons"]
        }
        counted = recount.players[name].weapons
        for weapon, numbers in weapons.items():
            assert numbers == {key: counted[weapon][key] for key in numbers}, (name, weapon)
        assert set(weapons) == {weapon for weapon, numbers in counted.items() if numbers}
    assert [(r["kills"], r["deaths"]) for r in shown["rounds"]] == [
        (r["kills"], r["deaths"]) for r in recount.rounds
    ]
    kinds = defaultdict(int)
    for event in different:
        kinds[event["event_type"]] += 1
    assert {k: int(v) for k, v in shown["totals"]["events"].items()} == kinds
    ranked(server, match_id, expected)
    return expected


def ranked(server, match_id, expected):
    """The boards of the match, in every way to count."""

    def value(name, metric):
        figures = expected[name]
        if metric == "kd_ratio":
            return figures["kills"] / max(1, figures["deaths"])
        return figures[metric] / (1000 if metric in MILLI else 1)

    for metric in ("kills", "deaths", "damage_dealt", "kd_ratio"):
        url = f"{server.url}/api/v1/match-stats/matches/{match_id}/leaderboard/{metric}?limit=100"
        entries = requests.get(url, timeout=60).json()["entries"]

        values = sorted((value(name, metric) for name in expected), reverse=True)
        assert [entry["value"] for entry in entries] == pytest.approx(values)
        for place, entry in enumerate(entries, start=1):
            better = [v for v in values if v > value(entry["playerId"], metric)]
            assert entry["rank"] == place
            assert entry["competitionRank"] == len(better) + 1
            assert entry["denseRank"] == len(set(better)) + 1


@pytest.mark.parametrize("seed", range(8))
def test_a_recount_of_the_raw_events_equals_what_is_served(server, seed):
    match_id, events = generated(seed, rounds=seed % 2 == 0)
    chance = random.Random(seed)
    # In any order, some of them several times, in requests of any size.
    told = events + chance.sample(events, len(events) // 3)
    chance.shuffle(told)
    while told:
        size = chance.randrange(1, 200)
        posted(server, told[:size])
        told = told[size:]
        if chance.random() < 0.3:
            served(server, match_id)
    check(server, match_id, events)


def test_events_by_every_way_count_once(server, stats_api):
    match_id, events = generated(100, rounds=True)
    chance = random.Random(100)
    from google.protobuf import json_format

    def message(event):
        moment = event["timestamp"]
        form = event | {"timestamp": f"{stamp(moment)}"}
        return json_format.ParseDict(form, stats_api.event.MatchEvent())

    def by_rest():
        mine = chance.sample(events, len(events))
        for at in range(0, len(mine), 50):
            posted(server, mine[at : at + 50])

    def by_lines():
        lines = "\n".join(json.dumps(event) for event in reversed(events))
        url = f"{server.url}/api/v1/match-stats/events"
        headers = {"content-type": "application/x-ndjson"}
        assert requests.post(url, data=lines, headers=headers, timeout=60).status_code == 200

    def by_stream():
        with grpc.insecure_channel(server.address) as channel:
            stub = stats_api.grpc.MatchStatsServiceStub(channel)
            requests_ = (
                stats_api.ingest.IngestEventsRequest(
                    events=[message(e) for e in events[at : at + 30]]
                )
                for at in range(0, len(events), 30)
            )
            summary = stub.IngestEvents(requests_, timeout=60)
            tally = summary.tally
            assert tally.counted + tally.duplicates == len(events)

    def by_channel():
        with grpc.insecure_channel(server.address) as channel:
            stub = stats_api.grpc.MatchStatsServiceStub(channel)
            sent = [
                stats_api.ingest.IngestChannelRequest(
                    producer_id=f"channel-{match_id}",
                    first_sequence=at + 1,
                    events=[message(e) for e in events[at : at + 20]],
                )
                for at in range(0, len(events), 20)
            ]
            last = list(stub.IngestChannel(iter(sent), timeout=60))[-1]
            assert last.requests_durable == len(sent)
            assert last.durable_sequence == len(events)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(way) for way in (by_rest, by_lines, by_stream, by_channel)]:
            done.result()
    check(server, match_id, events)
    point = curl(
        f"{server.url}/api/v1/match-stats/producers/channel-{match_id}/resume-point"
    ).json()
    assert int(point["durableSequence"]) == len(events)


def stamp(milliseconds):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")


def test_totals_over_matches_and_an_explanation_of_them(own_server):
    running = own_server()
    sums, best = defaultdict(lambda: defaultdict(int)), defaultdict(int)
    names = {}
    for seed in range(3):
        match_id, events = generated(seed, rounds=True, size=120)
        # The same people in every match.
        for event in events:
            for holder in (event, event["event_data"]):
                for key in ("player_id", "victim_id", "killer_id", "target_id"):
                    if holder.get(key):
                        holder[key] = holder[key].split("-")[0]
        posted(running, events)
        names[match_id] = events
        for name, figures in check(running, match_id, events).items():
            for figure, value in figures.items():
                sums[name][figure] += value
            best[name] = max(best[name], figures["best_streak"])
    for name, figures in sums.items():
        answer = curl(f"{running.url}/api/v1/match-stats/players/{name}").json()
        figures["best_streak"] = best[name]
        assert shown_figures(answer["player"]) == figures
        assert answer["matchIds"] == sorted(names)
    board = curl(f"{running.url}/api/v1/match-stats/leaderboards/kills?limit=100").json()
    kills = sorted(
        (figures["kills"] for figures in sums.values() if figures["kills"]), reverse=True
    )
    assert [entry["value"] for entry in board["entries"]] == kills
    for entry in board["entries"]:
        player = entry["playerId"]
        url = f"{running.url}/api/v1/match-stats/leaderboards/kills/players/{player}?around=3"
        rank = curl(url).json()
        assert rank["entry"] == entry
        assert entry in rank["around"]
        assert len(rank["around"]) == min(3, len(kills))
        causes, token = [], ""
        while True:
            url = f"{running.url}/api/v1/match-stats/players/{player}/explain/kills?limit=7"
            page = curl(f"{url}&pageToken={token}").json()
            causes += page["causes"]
            token = page["nextPageToken"]
            if not token:
                break
        assert len(causes) == entry["value"]
        assert len({cause["eventId"] for cause in causes}) == len(causes)
        for cause in causes:
            told = [e for e in names[cause["matchId"]] if e["event_id"] == cause["eventId"]]
            assert told[0]["event_type"] == "kill"
            assert told[0]["player_id"] == entry["playerId"]
    ratings = curl(f"{running.url}/api/v1/match-stats/ratings").json()
    assert (ratings["matches"], int(ratings["total"])) == ("3", len(sums))


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_changes_nothing(own_server, how):
    running = own_server()
    matches = [generated(seed, rounds=True) for seed in range(3)]
    for _, events in matches:
        posted(running, events[: len(events) // 2])
    before = curl(f"{running.url}/api/v1/match-stats/leaderboards/kills?limit=100").json()
    getattr(running, how)()
    running.start()
    assert curl(f"{running.url}/api/v1/match-stats/leaderboards/kills?limit=100").json() == before
    for match_id, events in matches:
        statuses = {result["status"] for result in posted(running, events[: len(events) // 2])}
        assert statuses == {"EVENT_STATUS_DUPLICATE"}
        posted(running, events)
        check(running, match_id, events)


def test_bad_input_gets_a_status_for_each_item_and_harms_nobody(server):
    match_id = f"bad-{uuid.uuid4()}"

    def event(**change):
        good = {
            "event_id": str(uuid.uuid4()),
            "match_id": match_id,
            "player_id": "a",
            "event_type": "damage",
            "timestamp": BEGIN_MS,
            "event_data": {"target_id": "b", "amount": 5},
        }
        return {key: value for key, value in (good | change).items() if value is not None}

    bad = [
        event(event_data={"target_id": "b", "amount": -1}),
        event(event_data={"target_id": "b", "amount": "NaN"}),
        event(event_data={"target_id": "b", "amount": 1e300}),
        event(timestamp=2**63 - 1),
        event(timestamp=-(2**63)),
        event(timestamp="2199-01-01T00:00:00Z"),
        event(timestamp=None),
        event(event_id=""),
        event(event_id="x" * 4096),
        event(match_id=""),
        event(match_id="x" * 4096),
        event(player_id=None),
        event(player_id=" a"),
        event(event_type="unknown"),
        event(event_type=None),
        event(event_data={"note": "x" * 20_000}),
        event(event_data=[1]),
        event(event_type="item_use", event_data={"item": "i", "quantity": 2**32}),
        event(event_type="position", event_data={"x": 1e12}),
        "no object",
        7,
    ]
    good = [
        event(),
        event(player_id="never-joined", event_type="kill", event_data={"victim_id": "b"}),
        event(event_type="kill", event_data={"victim_id": "a"}),
        event(event_type="match_end", player_id=None, event_data={"winner": "a"}),
        event(timestamp=BEGIN_MS + 60_000),
        event(timestamp="2099-12-31T23:59:59Z"),
    ]
    mixed = [item for pair in zip(bad, good * 4, strict=False) for item in pair]
    answer = requests.post(f"{server.url}/api/v1/match-stats/events", json=mixed, timeout=60)
    assert answer.status_code == 200
    results = answer.json()["results"]
    for at, result in enumerate(results):
        if at % 2 == 0:
            assert result["status"] == "EVENT_STATUS_REFUSED", mixed[at]
            assert result["reason"] in ("INVALID_ARGUMENT", "MALFORMED_BODY"), result
            assert result["message"]
        else:
            assert result["status"] != "EVENT_STATUS_REFUSED", (mixed[at], result)
    shown = served(server, match_id)
    assert int(shown["version"]) == len(good)
    players = {player["playerId"]: player for player in shown["players"]}
    assert players["a"]["damageDealt"] == 15
    assert players["a"]["suicides"] == 1
    assert players["never-joined"]["kills"] == 1
    # Another event under a known id stays out, and is reported.
    again = dict(good[0], event_data={"target_id": "b", "amount": 40})
    assert posted(server, [again])[0]["status"] == "EVENT_STATUS_CONFLICT"
    assert served(server, match_id)["version"] == shown["version"]


def test_bodies_that_are_none(server):
    url = f"{server.url}/api/v1/match-stats/events"
    json_type = {"content-type": "application/json"}
    for body, headers, status in [
        (b"{", json_type, 400),
        (b'"\xff"', json_type, 400),
        (b"7", json_type, 400),
        (b"[]", {"content-type": "text/plain"}, 415),
        (b"[]", json_type | {"content-encoding": "gzip"}, 415),
        (b"[" + b'{"a":"' + b"x" * (10 << 20) + b'"}]', json_type, 413),
        (json.dumps([{}] * 10_001).encode(), json_type, 400),
    ]:
        answer = requests.post(url, data=body, headers=headers, timeout=60)
        assert answer.status_code == status, (body[:20], answer.text[:200])
    for path, status in [
        ("matches/none", 404),
        ("matches/none/players/p", 404),
        ("players/none", 404),
        ("ratings/none", 404),
        ("leaderboards/none", 400),
        ("leaderboards/kills?limit=1000000000", 400),
        ("leaderboards/kills?limit=-1", 400),
        ("leaderboards/kills?window=2026-13-01", 400),
        ("leaderboards/kills?pageToken=abc", 400),
        ("leaderboards/kills?limit=0", 200),
    ]:
        answer = requests.get(f"{server.url}/api/v1/match-stats/{path}", timeout=60)
        assert answer.status_code == status, (path, answer.text[:300])
    unknown = requests.get(f"{server.url}/api/v1/match-stats/leaderboards/none", timeout=60).json()
    assert "kills" in unknown["message"]
    assert "kd_ratio" in unknown["message"]


def test_the_command_line(server, binary, tmp_path):
    match_id, events = generated(7, rounds=True, size=60)
    lines = [dict(event, timestamp=stamp(event["timestamp"])) for event in events]
    path = tmp_path / "events.ndjson"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\nno json\n")

    def stats(*arguments):
        return run(binary, "--json", "stats", *arguments, "--url", server.url, text=True)

    first = stats("ingest", path, "--producer", match_id)
    assert first.returncode != 0
    summary = json.loads(first.stdout.splitlines()[-1])
    assert (summary["counted"], summary["refused"]) == (len(events), 1)
    again = json.loads(stats("ingest", path, "--producer", match_id).stdout.splitlines()[-1])
    assert (again["counted"], again["passedOver"]) == (0, len(events) + 1)
    check(server, match_id, events)
    shown = json.loads(stats("match", match_id).stdout)
    assert shown["matchId"] == match_id
    player = shown["players"][0]["playerId"]
    for arguments in (
        ("player", player),
        ("player", player, "--match", match_id),
        ("top", "kills"),
        ("top", "adr", "--match", match_id),
        ("rank", player, "matches_played"),
        ("explain", player, "deaths", "--match", match_id),
        ("watch", match_id, "--count", "1"),
        ("ratings",),
        ("ratings", player),
        ("match",),
    ):
        done = stats(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        json.loads(done.stdout.splitlines()[-1])
        table = run(binary, "stats", *arguments, "--url", server.url, text=True)
        assert table.returncode == 0, (arguments, table.stderr)
        assert table.stdout, arguments
