"""An independent recount: the definitions of docs/stats.md, over raw events, in the plainest way.

It knows nothing of the server. Events are dictionaries in the form that REST takes; times are
milliseconds, damage thousandths, places millimetres, so that every number is exact.
"""

import math
from collections import defaultdict

SAME_DEATH_MS = 1_000
TRADE_MS = 5_000
MULTI_KILL_MS = 10_000
SHOT_MS = 2_000
SILENCE_MS = 300_000

RANKS = {
    "match_start": 0,
    "player_join": 1,
    "position": 2,
    "item_use": 2,
    "damage": 3,
    "kill": 4,
    "death": 5,
    "assist": 6,
    "objective": 6,
    "player_leave": 7,
    "match_end": 10,
}
OBJECTIVE_RANKS = {"spawn": 1, "round_end": 8, "round_start": 9}

FIGURES = [
    "kills",
    "deaths",
    "assists",
    "team_kills",
    "suicides",
    "headshot_kills",
    "damage_dealt",
    "damage_taken",
    "team_damage",
    "overkill_damage",
    "shots_fired",
    "shots_hit",
    "headshot_hits",
    "best_streak",
    "double_kills",
    "triple_kills",
    "quadra_kills",
    "penta_kills",
    "trade_kills",
    "traded_deaths",
    "opening_kills",
    "opening_deaths",
    "rounds_played",
    "rounds_won",
    "rounds_survived",
    "kast_rounds",
    "round_kills",
    "distance",
    "items_used",
    "objectives",
    "objective_points",
    "time_played",
    "time_alive",
    "matches_played",
    "matches_won",
]


def rounded(number):
    """To the nearest, halves upwards."""
    return math.floor(number * 1000 + 0.5)


def once(events):
    """Each event once, in the order of time, kind and id."""
    different = {}
    for event in events:
        different.setdefault(event["event_id"], event)

    def order(event):
        kind, data = event["event_type"], event.get("event_data", {})
        rank = OBJECTIVE_RANKS.get(data.get("name"), 6) if kind == "objective" else RANKS[kind]
        return event["timestamp"], rank, event["event_id"].replace("-", "")

    return sorted(different.values(), key=order)


class Player:
    def __init__(self):
        self.n = defaultdict(int)
        self.weapons = defaultdict(lambda: defaultdict(int))
        self.team = None
        self.heard = None
        self.present = self.alive = False
        self.streak = 0
        self.chain = []
        self.chains = []
        self.place = None
        self.health = None
        self.told_by_kill = self.told_by_death = None
        self.shots = {}
        self.begin_round()

    def begin_round(self):
        self.acted = self.assisted = self.died = self.traded = False
        self.kills_here = 0

    def survives(self):
        return self.present and not self.died

    def kast(self):
        return self.kills_here > 0 or self.assisted or self.traded or self.survives()


class Recount:
    def __init__(self, events):
        self.players = defaultdict(Player)
        self.recent = []
        self.rounds = []
        self.round = None
        self.first_kill = None
        self.winner = None
        for event in once(events):
            self.now = event["timestamp"]
            self.event(event)
        self.finish()

    def event(self, event):
        kind, data, who = event["event_type"], event.get("event_data", {}), event.get("player_id")
        me = None
        if who:
            self.hear(who)
            me = self.players[who]
        getattr(self, kind)(who, me, data)

    def hear(self, who):
        player = self.players[who]
        if player.present:
            passed = min(self.now - player.heard, SILENCE_MS)
            player.n["time_played"] += passed
            if player.alive:
                player.n["time_alive"] += passed
        else:
            player.present = player.alive = True
            player.place = None
        if player.heard is None:
            player.n["matches_played"] = 1
        player.heard = self.now
        player.acted = True

    def mates(self, one, other):
        team = self.players[one].team
        return one != other and team is not None and team == self.players[other].team

    def match_start(self, who, me, data):
        pass

    def player_join(self, who, me, data):
        me.team = data.get("team") or me.team

    def player_leave(self, who, me, data):
        me.present = me.alive = False
        me.place = None

    def position(self, who, me, data):
        place = [rounded(data.get(axis, 0.0)) for axis in "xyz"]
        if me.place is not None:
            square = sum((a - b) ** 2 for a, b in zip(me.place, place, strict=False))
            me.n["distance"] += math.isqrt(square)
        me.place = place
        me.alive = True

    def item_use(self, who, me, data):
        me.alive = True
        me.n["items_used"] += data.get("quantity", 1)
        me.n["shots_fired"] += data.get("shots", 0)
        if data.get("item") and data.get("shots"):
            me.weapons[data["item"]]["shots_fired"] += data["shots"]

    def objective(self, who, me, data):
        name = data["name"]
        if name == "round_start":
            self.end_round(None)
            for player in self.players.values():
                player.begin_round()
                player.place = player.health = None
                player.alive = player.present
            self.round = {"kills": 0, "deaths": 0}
            self.rounds.append(self.round)
        elif name == "round_end":
            self.end_round(data.get("winner"))
        elif name == "spawn":
            if me:
                me.alive = True
                me.place = me.health = None
        elif me:
            me.n["objectives"] += 1
            me.n["objective_points"] += data.get("points", 0)

    def end_round(self, winner):
        if self.round is None:
            return
        self.round = None
        for player in self.players.values():
            if player.present or player.acted:
                player.n["rounds_played"] += 1
                player.n["rounds_won"] += winner is not None and player.team == winner
                player.n["rounds_survived"] += player.survives()
                player.n["kast_rounds"] += player.kast()

    def match_end(self, who, me, data):
        self.end_round(None)
        self.winner = data.get("winner")

    def kill(self, who, me, data):
        victim, weapon, head = (
            data.get("victim_id"),
            data.get("weapon"),
            data.get("headshot", False),
        )
        if victim == who:
            return self.dead_by_kill(victim, who)
        if victim:
            self.hear(victim)
            if self.mates(who, victim):
                me.n["team_kills"] += 1
                return self.dead_by_kill(victim, who)
        me.n["kills"] += 1
        me.n["headshot_kills"] += head
        if weapon:
            me.weapons[weapon]["kills"] += 1
            me.weapons[weapon]["headshot_kills"] += head
        me.streak += 1
        me.n["best_streak"] = max(me.n["best_streak"], me.streak)
        if not me.chain or self.now - me.chain[-1] > MULTI_KILL_MS:
            me.chain = []
            me.chains.append(me.chain)
        me.chain.append(self.now)
        self.first_kill = self.first_kill or (who, victim)
        me.kills_here += 1
        if self.round is not None:
            me.n["round_kills"] += 1
            if self.round["kills"] == 0:
                me.n["opening_kills"] += 1
                if victim:
                    self.players[victim].n["opening_deaths"] += 1
            self.round["kills"] += 1
        self.avenge(who, victim)
        if victim:
            self.dead_by_kill(victim, who)

    def avenge(self, who, victim):
        avenged = False
        for kill in self.recent:
            fits = kill["by"] == victim and self.now - kill["at"] <= TRADE_MS and not kill["traded"]
            if victim and fits and self.mates(who, kill["of"]):
                kill["traded"] = avenged = True
                self.players[kill["of"]].n["traded_deaths"] += 1
                self.players[kill["of"]].traded = True
        self.players[who].n["trade_kills"] += avenged
        if victim:
            self.recent.append({"at": self.now, "by": who, "of": victim, "traded": False})

    def dead_by_kill(self, victim, by):
        player = self.players[victim]
        told = player.told_by_death
        if told and self.now - told[0] <= SAME_DEATH_MS and told[1] in (by, None):
            player.told_by_death = None
            return
        player.told_by_kill = (self.now, by)
        self.die(victim, by)

    def death(self, who, me, data):
        by = data.get("killer_id") or None
        told = me.told_by_kill
        if told and self.now - told[0] <= SAME_DEATH_MS and by in (told[1], None):
            me.told_by_kill = None
            return
        me.told_by_death = (self.now, by)
        self.die(who, by)

    def die(self, victim, by):
        player = self.players[victim]
        player.n["deaths"] += 1
        player.n["suicides"] += by in (victim, None)
        player.alive = False
        player.streak = 0
        player.chain = []
        player.place = player.health = None
        player.died = True
        if self.round is not None:
            self.round["deaths"] += 1

    def assist(self, who, me, data):
        me.n["assists"] += 1
        me.assisted = True

    def damage(self, who, me, data):
        target, amount = data.get("target_id"), rounded(data.get("amount", 0.0))
        counted = amount
        if target and data.get("target_health") is not None:
            left, victim = rounded(data["target_health"]), self.players[target]
            if victim.health and victim.health[0] == self.now:
                left = min(left, victim.health[1])
            counted = min(amount, left)
            victim.health = (self.now, left - counted)
        if target and target != who:
            self.hear(target)
        if target:
            self.players[target].n["damage_taken"] += counted
        if target == who:
            return
        if target and self.mates(who, target):
            me.n["team_damage"] += counted
            return
        me.n["damage_dealt"] += counted
        me.n["overkill_damage"] += amount - counted
        hit, shot = True, data.get("shot_id")
        if shot is not None:
            hit = shot not in me.shots or self.now - me.shots[shot] > SHOT_MS
            if hit:
                me.shots[shot] = self.now
        head = hit and data.get("headshot", False)
        me.n["shots_hit"] += hit
        me.n["headshot_hits"] += head
        if data.get("weapon"):
            weapon = me.weapons[data["weapon"]]
            weapon["damage"] += counted
            weapon["shots_hit"] += hit
            weapon["headshot_hits"] += head

    def finish(self):
        for name, player in self.players.items():
            lengths = [min(len(chain), 5) for chain in player.chains]
            for length, figure in enumerate(("double", "triple", "quadra", "penta"), start=2):
                player.n[f"{figure}_kills"] = lengths.count(length)
            if player.heard is None:
                continue
            if not self.rounds:
                player.n["rounds_played"] = 1
                player.n["rounds_survived"] = int(player.survives())
                player.n["kast_rounds"] = int(player.kast())
                player.n["round_kills"] = player.n["kills"]
                if self.first_kill:
                    player.n["opening_kills"] += name == self.first_kill[0]
                    player.n["opening_deaths"] += name == self.first_kill[1]
            side = player.team or name
            player.n["matches_won"] = int(self.winner is not None and side == self.winner)

    def figures(self):
        """Who was heard of, with every figure."""
        return {
            name: {figure: player.n[figure] for figure in FIGURES}
            for name, player in self.players.items()
            if player.heard is not None
        }
