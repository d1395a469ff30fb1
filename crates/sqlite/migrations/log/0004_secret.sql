-- What whoever opens the store knows and nobody else. A store that is made now has its row later.

ALTER TABLE store ADD COLUMN secret BLOB CHECK (length(secret) = 32);

UPDATE store SET secret = randomblob(32);
