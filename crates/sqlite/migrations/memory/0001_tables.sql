-- What NPCs remember and what players did. These rows are the truth: what is erased is gone.

CREATE TABLE memory_collections (
    collection TEXT    PRIMARY KEY,
    version    INTEGER NOT NULL,
    document   BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE memories (
    collection      TEXT    NOT NULL,
    id              BLOB    NOT NULL,
    npc_id          TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    text            TEXT    NOT NULL,
    importance      REAL    NOT NULL,
    pinned          INTEGER NOT NULL,
    visibility      TEXT    NOT NULL,
    created_us      INTEGER NOT NULL,
    stored_us       INTEGER NOT NULL,
    accessed_us     INTEGER NOT NULL,
    accesses        INTEGER NOT NULL,
    valid_from_us   INTEGER,
    valid_until_us  INTEGER,
    forgotten       TEXT,
    version         INTEGER NOT NULL,
    metadata        TEXT    NOT NULL,
    details         TEXT    NOT NULL,
    idempotency_key TEXT,
    fingerprint     BLOB    NOT NULL,
    embedding       INTEGER NOT NULL,
    model           TEXT    NOT NULL,
    -- Little-endian floats.
    vector          BLOB
) STRICT;

CREATE UNIQUE INDEX memories_id ON memories (collection, id);
CREATE UNIQUE INDEX memories_key ON memories (collection, npc_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX memories_embedding ON memories (collection, embedding, id);

-- The number of each page, and of each memory that lies or lay on it.
CREATE TABLE memory_heads (
    collection TEXT    NOT NULL,
    reader     TEXT    NOT NULL,
    change     INTEGER NOT NULL,
    PRIMARY KEY (collection, reader)
) STRICT, WITHOUT ROWID;

CREATE TABLE memory_readers (
    collection TEXT    NOT NULL,
    reader     TEXT    NOT NULL,
    id         BLOB    NOT NULL,
    change     INTEGER NOT NULL,
    gone       INTEGER NOT NULL,
    PRIMARY KEY (collection, reader, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memory_readers_change ON memory_readers (collection, reader, change);
CREATE INDEX memory_readers_id ON memory_readers (collection, id);

CREATE TABLE memory_subjects (
    subject    TEXT NOT NULL,
    collection TEXT NOT NULL,
    id         BLOB NOT NULL,
    PRIMARY KEY (subject, collection, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memory_subjects_id ON memory_subjects (collection, id);

CREATE TABLE memory_sources (
    collection TEXT NOT NULL,
    source     BLOB NOT NULL,
    id         BLOB NOT NULL,
    PRIMARY KEY (collection, source, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memory_sources_id ON memory_sources (collection, id);

CREATE TABLE entities (
    id         TEXT    PRIMARY KEY,
    type       TEXT    NOT NULL,
    data       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX entities_type ON entities (type, updated_us, id);
CREATE INDEX entities_updated ON entities (updated_us, id);

CREATE TABLE player_history (
    player_id TEXT    NOT NULL,
    time_us   INTEGER NOT NULL,
    entry_id  BLOB    NOT NULL,
    action    TEXT    NOT NULL,
    context   TEXT    NOT NULL,
    PRIMARY KEY (player_id, time_us, entry_id)
) STRICT, WITHOUT ROWID;
