-- What NPCs remember and what players did. These rows are the truth: what is erased is gone.

CREATE TABLE memory_collections (
    collection text   PRIMARY KEY,
    version    bigint NOT NULL,
    document   bytea  NOT NULL
);

CREATE TABLE memories (
    collection      text             NOT NULL,
    id              uuid             NOT NULL,
    npc_id          text             NOT NULL,
    kind            text             NOT NULL,
    text            text             NOT NULL,
    importance      double precision NOT NULL,
    pinned          boolean          NOT NULL,
    visibility      text             NOT NULL,
    created_us      bigint           NOT NULL,
    stored_us       bigint           NOT NULL,
    accessed_us     bigint           NOT NULL,
    accesses        bigint           NOT NULL,
    valid_from_us   bigint,
    valid_until_us  bigint,
    forgotten       text,
    version         bigint           NOT NULL,
    metadata        jsonb            NOT NULL,
    details         text             NOT NULL,
    idempotency_key text,
    fingerprint     bytea            NOT NULL,
    embedding       smallint         NOT NULL,
    model           text             NOT NULL,
    vector          real[],
    PRIMARY KEY (collection, id)
);

CREATE UNIQUE INDEX memories_key ON memories (collection, npc_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX memories_embedding ON memories (collection, embedding, id);

-- The number of each page, and of each memory that lies or lay on it. Whoever writes holds the heads of
-- the pages that he touches, so that numbers come in the order of the commits.
CREATE TABLE memory_heads (
    collection text   NOT NULL,
    reader     text   NOT NULL,
    change     bigint NOT NULL,
    PRIMARY KEY (collection, reader)
);

CREATE TABLE memory_readers (
    collection text    NOT NULL,
    reader     text    NOT NULL,
    id         uuid    NOT NULL,
    change     bigint  NOT NULL,
    gone       boolean NOT NULL,
    PRIMARY KEY (collection, reader, id)
);

CREATE INDEX memory_readers_change ON memory_readers (collection, reader, change);
CREATE INDEX memory_readers_id ON memory_readers (collection, id);

CREATE TABLE memory_subjects (
    subject    text NOT NULL,
    collection text NOT NULL,
    id         uuid NOT NULL,
    PRIMARY KEY (subject, collection, id)
);

CREATE INDEX memory_subjects_id ON memory_subjects (collection, id);

CREATE TABLE memory_sources (
    collection text NOT NULL,
    source     uuid NOT NULL,
    id         uuid NOT NULL,
    PRIMARY KEY (collection, source, id)
);

CREATE INDEX memory_sources_id ON memory_sources (collection, id);

CREATE TABLE entities (
    id         text        PRIMARY KEY,
    type       text        NOT NULL,
    data       jsonb       NOT NULL,
    version    bigint      NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE INDEX entities_type ON entities (type, updated_at, id);
CREATE INDEX entities_updated ON entities (updated_at, id);

-- A table for each month, made ahead. There is none for the rest: what falls into it would keep its month
-- from being made.
CREATE TABLE player_history (
    player_id text        NOT NULL,
    time      timestamptz NOT NULL,
    entry_id  uuid        NOT NULL,
    action    text        NOT NULL,
    context   jsonb       NOT NULL,
    PRIMARY KEY (player_id, time, entry_id)
) PARTITION BY RANGE (time);
