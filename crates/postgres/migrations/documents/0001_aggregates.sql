-- The current state of each aggregate, for services other than the state, which has this table from its
-- own first step on.

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
