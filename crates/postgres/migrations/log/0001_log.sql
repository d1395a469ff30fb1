-- The event log. Streams hash to lanes; a lane's row is what its writers compare and set.

CREATE TABLE store (
    one         boolean     PRIMARY KEY DEFAULT true CHECK (one),
    incarnation uuid        NOT NULL,
    lanes       smallint    NOT NULL CHECK (lanes BETWEEN 1 AND 1024),
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- Every batch updates its lane's row: whoever holds it has the lane, and the next batch begins where
-- this one ends. So positions are dense and in the order of the commits, and a batch that is rolled
-- back leaves no gap. A row has a page of its own, where its dead versions are pruned in passing.
CREATE TABLE lane (
    lane        smallint NOT NULL PRIMARY KEY,
    position    bigint   NOT NULL,
    epoch       bigint   NOT NULL,
    time_us     bigint   NOT NULL,
    last_stream bigint   NOT NULL,
    chain       bytea    NOT NULL CHECK (length(chain) = 32)
) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

-- A stream's name is long and may hold any byte; an event's row and index entries are short: events
-- carry the number, which is the lane's own count of streams, times 1024, plus the lane.
CREATE TABLE stream (
    id   bigint NOT NULL PRIMARY KEY,
    name bytea  NOT NULL UNIQUE
);

-- The head of a stream is its last entry in the index (stream, version). The checksum is a CRC-32,
-- its bits taken as a signed number.
CREATE TABLE event (
    position bigint   NOT NULL,
    stream   bigint   NOT NULL,
    version  bigint   NOT NULL,
    time_us  bigint   NOT NULL,
    crc      integer  NOT NULL,
    lane     smallint NOT NULL,
    id       uuid     NOT NULL,
    kind     text     NOT NULL,
    data     bytea    NOT NULL,
    meta     bytea    NOT NULL,
    PRIMARY KEY (lane, position),
    UNIQUE (stream, version)
);

-- One row for each batch and lane. `chain` is the lane's running hash after it.
CREATE TABLE batch (
    first_position bigint   NOT NULL,
    events         bigint   NOT NULL,
    lane           smallint NOT NULL,
    id             uuid     NOT NULL,
    chain          bytea    NOT NULL,
    PRIMARY KEY (lane, first_position)
);

-- `lane` is that of the first stream written: its time is the clock by which the key grows old.
CREATE TABLE idempotency (
    time_us     bigint   NOT NULL,
    lane        smallint NOT NULL,
    key         bytea    NOT NULL PRIMARY KEY,
    fingerprint bytea    NOT NULL,
    streams     bytea    NOT NULL
);

CREATE INDEX idempotency_age ON idempotency (lane, time_us);

CREATE TABLE snapshot (
    reducer bigint  NOT NULL,
    version bigint  NOT NULL,
    time_us bigint  NOT NULL,
    crc     integer NOT NULL,
    stream  bytea   NOT NULL,
    state   bytea   NOT NULL,
    PRIMARY KEY (stream, reducer, version)
);
