-- Sessions, what happened in them, and who took part, folded from the log. Times are microseconds since
-- the Unix epoch; data is JSON text.

CREATE TABLE combat_sessions (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    max_players INTEGER NOT NULL,
    map_id      TEXT    NOT NULL,
    game_mode   TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    ended_at    INTEGER,
    updated_at  INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    session     BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX combat_sessions_status ON combat_sessions (status, created_at DESC);
CREATE INDEX combat_sessions_created ON combat_sessions (created_at DESC, id DESC);

CREATE TABLE combat_events (
    id         TEXT    NOT NULL PRIMARY KEY,
    session_id TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    type       TEXT    NOT NULL,
    player_id  TEXT,
    data       TEXT    NOT NULL,
    timestamp  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX combat_events_session ON combat_events (session_id, timestamp);
CREATE INDEX combat_events_player ON combat_events (player_id);

CREATE TABLE combat_players (
    player_id  TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    score      INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    stats      BLOB    NOT NULL,
    PRIMARY KEY (player_id, session_id)
) STRICT, WITHOUT ROWID;
