-- What the instances of the store know and nobody else. Its default is asked for once for the row that is
-- there, and for that of a store that is made now.

ALTER TABLE store ADD COLUMN secret bytea NOT NULL
    DEFAULT (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
    CHECK (length(secret) = 32);
