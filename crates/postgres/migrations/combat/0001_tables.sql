-- Sessions, what happened in them, and who took part, folded from the log.

CREATE TABLE combat_sessions (
    id          text        NOT NULL PRIMARY KEY,
    name        text        NOT NULL,
    type        text        NOT NULL,
    status      text        NOT NULL,
    max_players integer     NOT NULL,
    map_id      text        NOT NULL,
    game_mode   text        NOT NULL,
    created_at  timestamptz NOT NULL,
    started_at  timestamptz,
    ended_at    timestamptz,
    updated_at  timestamptz NOT NULL,
    revision    bigint      NOT NULL,
    session     bytea       NOT NULL
);

CREATE INDEX combat_sessions_status ON combat_sessions (status, created_at DESC);
CREATE INDEX combat_sessions_created ON combat_sessions (created_at DESC, id DESC);

CREATE TABLE combat_events (
    id          text        NOT NULL PRIMARY KEY,
    session_id  text        NOT NULL,
    number      bigint      NOT NULL,
    type        text        NOT NULL,
    player_id   text,
    data        jsonb       NOT NULL,
    "timestamp" timestamptz NOT NULL
);

CREATE INDEX combat_events_session ON combat_events (session_id, "timestamp");
CREATE INDEX combat_events_player ON combat_events (player_id);

CREATE TABLE combat_players (
    player_id  text        NOT NULL,
    session_id text        NOT NULL,
    score      bigint      NOT NULL,
    updated_at timestamptz NOT NULL,
    stats      bytea       NOT NULL,
    PRIMARY KEY (player_id, session_id)
);
