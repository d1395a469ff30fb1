-- Whose rows are in the tables is no longer a matter of the cursor: each projection names its tables.

ALTER TABLE cursor DROP COLUMN writes_rows;
