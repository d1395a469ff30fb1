-- The lane's owner epoch: each owner that takes the lane raises it, and a fenced append is compared with
-- it. Who the owner is need not be kept: owners do not outlive the process that has the file.

CREATE TABLE lane (
    lane        INTEGER PRIMARY KEY,
    owner_epoch INTEGER NOT NULL
) STRICT;

INSERT INTO lane (lane, owner_epoch) VALUES (0, 1);
