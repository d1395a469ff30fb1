-- How far each projection has read each lane. (State has this table from its own first step on.)

CREATE TABLE cursor (
    projection text     NOT NULL,
    lane       smallint NOT NULL,
    position   bigint   NOT NULL,
    PRIMARY KEY (projection, lane)
) WITH (fillfactor = 50);
