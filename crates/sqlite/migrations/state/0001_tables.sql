-- Tables folded from the log: for listing, and for SQL users. Times are microseconds since the Unix
-- epoch: datetime(last_updated / 1000000, 'unixepoch') reads them. Documents are JSON text: the
-- json_extract family and the -> operators work on them. SQLite has no counterpart to a GIN index on
-- inventory and statistics; index the paths that you query by expression instead.

-- `writes_rows`: this projection wrote rows below, and its reset empties them.
CREATE TABLE cursor (
    projection  TEXT    NOT NULL,
    lane        INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    writes_rows INTEGER NOT NULL,
    PRIMARY KEY (projection, lane)
) STRICT, WITHOUT ROWID;

CREATE TABLE aggregate_states (
    aggregate_type TEXT    NOT NULL,
    id             TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    deleted        INTEGER NOT NULL,
    created_us     INTEGER NOT NULL,
    updated_us     INTEGER NOT NULL,
    reducer        INTEGER NOT NULL,
    state          BLOB    NOT NULL,
    UNIQUE (aggregate_type, id)
) STRICT;

CREATE TABLE player_states (
    player_id    TEXT    NOT NULL PRIMARY KEY,
    status       TEXT    NOT NULL,
    level        INTEGER NOT NULL,
    experience   INTEGER NOT NULL,
    health       REAL    NOT NULL,
    position_x   REAL    NOT NULL,
    position_y   REAL    NOT NULL,
    position_z   REAL    NOT NULL,
    inventory    TEXT    NOT NULL,
    statistics   TEXT    NOT NULL,
    achievements TEXT    NOT NULL,
    last_updated INTEGER NOT NULL,
    version      INTEGER NOT NULL
) STRICT;

CREATE INDEX player_states_status ON player_states (status);
CREATE INDEX player_states_last_updated ON player_states (last_updated DESC);
CREATE INDEX player_states_level ON player_states (level);

CREATE TABLE match_states (
    match_id     TEXT    NOT NULL PRIMARY KEY,
    phase        TEXT    NOT NULL,
    players      TEXT    NOT NULL,
    events       TEXT    NOT NULL,
    statistics   TEXT    NOT NULL,
    started_at   INTEGER,
    ended_at     INTEGER,
    last_updated INTEGER NOT NULL,
    version      INTEGER NOT NULL
) STRICT;

CREATE INDEX match_states_phase ON match_states (phase);
