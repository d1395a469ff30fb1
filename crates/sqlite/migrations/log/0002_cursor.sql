-- How far each projection has read each lane. (State has this table from its own first step on.)

CREATE TABLE cursor (
    projection TEXT    NOT NULL,
    lane       INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    PRIMARY KEY (projection, lane)
) STRICT, WITHOUT ROWID;
