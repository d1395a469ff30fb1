-- The event log. This store has one lane, so no table carries a lane number.

CREATE TABLE store (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    incarnation BLOB    NOT NULL CHECK (length(incarnation) = 16),
    created_us  INTEGER NOT NULL
) STRICT;

-- A stream's name is long and an event's row and index entry are short: events carry the number.
-- The head of a stream is its last entry in the index (stream, version); a second copy of it would
-- cost one more page written for every append and could disagree.
CREATE TABLE stream (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    stream   INTEGER NOT NULL REFERENCES stream (id),
    version  INTEGER NOT NULL,
    time_us  INTEGER NOT NULL,
    id       BLOB    NOT NULL,
    crc      INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    data     BLOB    NOT NULL,
    meta     BLOB    NOT NULL,
    UNIQUE (stream, version)
) STRICT;

-- One row for each transaction that wrote events. `chain` is the lane's running hash after it.
CREATE TABLE batch (
    first_position INTEGER PRIMARY KEY,
    events         INTEGER NOT NULL,
    id             BLOB    NOT NULL,
    chain          BLOB    NOT NULL
) STRICT;

-- In order of time, since positions are: the oldest keys are the first rows.
CREATE TABLE idempotency (
    first_position INTEGER PRIMARY KEY,
    key            TEXT    NOT NULL UNIQUE,
    fingerprint    BLOB    NOT NULL,
    time_us        INTEGER NOT NULL,
    streams        BLOB    NOT NULL
) STRICT;

CREATE TABLE snapshot (
    stream  TEXT    NOT NULL,
    reducer INTEGER NOT NULL,
    version INTEGER NOT NULL,
    time_us INTEGER NOT NULL,
    crc     INTEGER NOT NULL,
    state   BLOB    NOT NULL,
    UNIQUE (stream, reducer, version)
) STRICT;
