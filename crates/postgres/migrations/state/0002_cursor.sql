-- Whose rows are in the tables is no longer a matter of the cursor: each projection names its tables. The
-- column stays for instances of the version before, which may still write while they are replaced.

ALTER TABLE cursor ALTER COLUMN writes_rows SET DEFAULT false;
