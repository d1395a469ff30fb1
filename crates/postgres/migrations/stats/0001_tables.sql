-- What matches came to, and from where counting goes on. Everything follows from the log.

CREATE TABLE stats_progress (
    lane     smallint PRIMARY KEY,
    position bigint   NOT NULL,
    state    bytea    NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE match_stats (
    match_id      text COLLATE "C" PRIMARY KEY,
    lane          smallint NOT NULL,
    version       bigint   NOT NULL,
    status        text     NOT NULL,
    map           text     NOT NULL,
    mode          text     NOT NULL,
    winner        text     NOT NULL,
    started_us    bigint,
    ended_us      bigint,
    last_event_us bigint   NOT NULL,
    -- What the match adds to totals, boards and ratings.
    summary       bytea    NOT NULL,
    state         bytea    NOT NULL
);

CREATE INDEX match_stats_ended ON match_stats (ended_us);

CREATE TABLE match_player_stats (
    match_id           text COLLATE "C" NOT NULL,
    player_id          text COLLATE "C" NOT NULL,
    team               text   NOT NULL,
    kills              bigint NOT NULL,
    deaths             bigint NOT NULL,
    assists            bigint NOT NULL,
    headshot_kills     bigint NOT NULL,
    damage_dealt_milli bigint NOT NULL,
    damage_taken_milli bigint NOT NULL,
    rounds_played      bigint NOT NULL,
    kast_rounds        bigint NOT NULL,
    distance_mm        bigint NOT NULL,
    -- Every figure by its name.
    figures            jsonb  NOT NULL,
    PRIMARY KEY (match_id, player_id)
);

CREATE INDEX match_player_stats_player ON match_player_stats (player_id);

-- Windows of time that are closed, as they were closed.
CREATE TABLE stats_frozen_window (
    name text COLLATE "C" PRIMARY KEY
);

CREATE TABLE stats_frozen (
    window_name text COLLATE "C" NOT NULL,
    player_id   text COLLATE "C" NOT NULL,
    figures     bytea NOT NULL,
    PRIMARY KEY (window_name, player_id)
);
