"""Kill feeds of real matches: an independent recount equals every number that is served."""

import json
import random
import uuid
from pathlib import Path

import pytest
import requests

from stats_recount import once
from test_stats import BEGIN_MS, check, posted

FEEDS = sorted(Path(__file__).with_name("feeds").glob("*.json"))


def events_of(feed, match_id):
    """The feed in the form that REST takes."""
    events = []
    began = feed["start_tick"]

    def at(tick):
        return BEGIN_MS + round((tick - began) * feed["interval_seconds"] * 1000)

    def add(kind, tick, player=None, **data):
        event = {
            "event_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{match_id}/{len(events)}")),
            "match_id": match_id,
            "event_type": kind,
            "timestamp": at(tick),
            "event_data": {key: value for key, value in data.items() if value is not None},
        }
        if player is not None:
            event["player_id"] = f"player-{player}"
        events.append(event)

    def name(number):
        return f"player-{number}"

    add("match_start", began)
    for player, team in feed["teams"].items():
        add("player_join", began, player, team=team if team in ("red", "blue") else None)
    for number, (end, seconds, winner) in enumerate(feed["rounds"], start=1):
        start = end - round(seconds / feed["interval_seconds"])
        add("objective", start, name="round_start", round=number)
        winner = winner if winner in ("red", "blue") else None
        add("objective", end, name="round_end", round=number, winner=winner)
    for tick, killer, victim, assister, weapon in feed["deaths"]:
        if str(killer) in feed["teams"]:
            add("kill", tick, killer, victim_id=name(victim), weapon=weapon)
        else:
            add("death", tick, victim, weapon=weapon)
        if assister is not None and str(assister) in feed["teams"]:
            add("assist", tick, assister, victim_id=name(victim))
    ticks = [death[0] for death in feed["deaths"]] + [end for end, _, _ in feed["rounds"]]
    won = [winner for _, _, winner in feed["rounds"]]
    add("match_end", max(ticks) + 1, winner=max(set(won), key=won.count) if won else None)
    return events


@pytest.mark.parametrize("path", FEEDS, ids=lambda path: path.stem)
def test_a_recount_of_a_real_match_equals_what_is_served(server, path):
    feed = json.loads(path.read_text())
    match_id = f"{path.stem}-{uuid.uuid4()}"
    events = events_of(feed, match_id)
    assert len(once(events)) == len(events)
    # As it would come from several servers: in another order, a third of it twice.
    chance = random.Random(path.stem)
    told = events + chance.sample(events, len(events) // 3)
    chance.shuffle(told)
    for first in range(0, len(told), 97):
        posted(server, told[first : first + 97])
    expected = check(server, match_id, events)
    # The feed counts by itself, too: who stands there as killer of somebody of another side.
    sides = {p: team if team in ("red", "blue") else p for p, team in feed["teams"].items()}
    for player in feed["teams"]:
        killed = sum(
            str(killer) == player and sides.get(str(victim)) != sides[player]
            for _, killer, victim, _, _ in feed["deaths"]
        )
        assert expected.get(f"player-{player}", {"kills": 0})["kills"] == killed
    # Every number of a player is explained by events of the match.
    known = {event["event_id"] for event in events}
    best = max(expected, key=lambda name: expected[name]["kills"])
    url = f"{server.url}/api/v1/match-stats/matches/{match_id}/players/{best}/explain/kills"
    causes = requests.get(f"{url}?limit=1000", timeout=60).json()["causes"]
    assert len(causes) == expected[best]["kills"]
    assert {cause["eventId"] for cause in causes} <= known
