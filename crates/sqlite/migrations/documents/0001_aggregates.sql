-- The current state of each aggregate, for services other than the state, which has this table from its
-- own first step on.

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
