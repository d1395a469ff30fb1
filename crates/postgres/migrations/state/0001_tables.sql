-- Tables folded from the log: for listing, and for SQL users. Ids compare by their bytes.

-- `writes_rows`: this projection wrote rows below, and its reset empties them.
CREATE TABLE cursor (
    projection  text     NOT NULL,
    lane        smallint NOT NULL,
    position    bigint   NOT NULL,
    writes_rows boolean  NOT NULL,
    PRIMARY KEY (projection, lane)
) WITH (fillfactor = 50);

CREATE TABLE aggregate_states (
    version        bigint  NOT NULL,
    created_us     bigint  NOT NULL,
    updated_us     bigint  NOT NULL,
    reducer        bigint  NOT NULL,
    deleted        boolean NOT NULL,
    aggregate_type text    COLLATE "C" NOT NULL,
    id             text    COLLATE "C" NOT NULL,
    state          bytea   NOT NULL,
    PRIMARY KEY (aggregate_type, id)
);

CREATE TABLE player_states (
    player_id    text             COLLATE "C" NOT NULL PRIMARY KEY,
    status       text             NOT NULL,
    level        bigint           NOT NULL,
    experience   bigint           NOT NULL,
    health       double precision NOT NULL,
    position_x   double precision NOT NULL,
    position_y   double precision NOT NULL,
    position_z   double precision NOT NULL,
    inventory    jsonb            NOT NULL,
    statistics   jsonb            NOT NULL,
    achievements jsonb            NOT NULL,
    last_updated timestamptz      NOT NULL,
    version      bigint           NOT NULL
);

CREATE INDEX player_states_status ON player_states (status);
CREATE INDEX player_states_last_updated ON player_states (last_updated DESC);
CREATE INDEX player_states_level ON player_states (level);
CREATE INDEX player_states_inventory ON player_states USING gin (inventory);
CREATE INDEX player_states_statistics ON player_states USING gin (statistics);

CREATE TABLE match_states (
    match_id     text        COLLATE "C" NOT NULL PRIMARY KEY,
    phase        text        NOT NULL,
    players      jsonb       NOT NULL,
    events       jsonb       NOT NULL,
    statistics   jsonb       NOT NULL,
    started_at   timestamptz,
    ended_at     timestamptz,
    last_updated timestamptz NOT NULL,
    version      bigint      NOT NULL
);

CREATE INDEX match_states_phase ON match_states (phase);
