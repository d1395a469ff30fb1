-- The planner's statistics of a column are samples of its values, in a table of the server that nothing of
-- ours can erase. No query is planned by these columns.

ALTER TABLE memories ALTER COLUMN text SET STATISTICS 0;
ALTER TABLE memories ALTER COLUMN metadata SET STATISTICS 0;
ALTER TABLE memories ALTER COLUMN details SET STATISTICS 0;
ALTER TABLE memories ALTER COLUMN idempotency_key SET STATISTICS 0;
ALTER TABLE memories ALTER COLUMN vector SET STATISTICS 0;
