-- What matches came to, and from where counting goes on. Everything follows from the log.

CREATE TABLE stats_progress (
    lane     INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    state    BLOB    NOT NULL
) STRICT;

CREATE TABLE match_stats (
    match_id      TEXT    PRIMARY KEY,
    lane          INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    status        TEXT    NOT NULL,
    map           TEXT    NOT NULL,
    mode          TEXT    NOT NULL,
    winner        TEXT    NOT NULL,
    started_us    INTEGER,
    ended_us      INTEGER,
    last_event_us INTEGER NOT NULL,
    -- What the match adds to totals, boards and ratings.
    summary       BLOB    NOT NULL,
    state         BLOB    NOT NULL
) STRICT;

CREATE INDEX match_stats_ended ON match_stats (ended_us);

CREATE TABLE match_player_stats (
    match_id           TEXT    NOT NULL,
    player_id          TEXT    NOT NULL,
    team               TEXT    NOT NULL,
    kills              INTEGER NOT NULL,
    deaths             INTEGER NOT NULL,
    assists            INTEGER NOT NULL,
    headshot_kills     INTEGER NOT NULL,
    damage_dealt_milli INTEGER NOT NULL,
    damage_taken_milli INTEGER NOT NULL,
    rounds_played      INTEGER NOT NULL,
    kast_rounds        INTEGER NOT NULL,
    distance_mm        INTEGER NOT NULL,
    -- Every figure by its name.
    figures            TEXT    NOT NULL,
    PRIMARY KEY (match_id, player_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX match_player_stats_player ON match_player_stats (player_id);

-- Windows of time that are closed, as they were closed.
CREATE TABLE stats_frozen_window (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE stats_frozen (
    window_name TEXT NOT NULL,
    player_id TEXT NOT NULL,
    figures   BLOB NOT NULL,
    PRIMARY KEY (window_name, player_id)
) STRICT, WITHOUT ROWID;
