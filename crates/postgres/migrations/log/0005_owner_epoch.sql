-- The epoch that owners are counted by, apart from the epoch that shuts out what a writer has on its way:
-- finding out what became of a lost reply raises the latter and must not end anybody's ownership. Taking a
-- lane raises both, so whoever has compared the latter has compared the former.

ALTER TABLE lane ADD COLUMN owner_epoch bigint NOT NULL DEFAULT 1;

UPDATE lane SET owner_epoch = epoch;

CREATE OR REPLACE FUNCTION give_lane(p_lane smallint, p_instance uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    raised bigint;
BEGIN
    UPDATE lane l SET epoch = l.epoch + 1, owner_epoch = l.owner_epoch + 1
        WHERE l.lane = p_lane RETURNING l.owner_epoch INTO raised;
    INSERT INTO lane_owner (lane, instance) VALUES (p_lane, p_instance)
        ON CONFLICT (lane) DO UPDATE SET instance = excluded.instance;
    RETURN raised;
END
$$;

CREATE OR REPLACE FUNCTION claim_lane(p_lane smallint, p_instance uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    present bigint;
    holder uuid;
BEGIN
    SELECT l.owner_epoch INTO present FROM lane l WHERE l.lane = p_lane FOR UPDATE;
    IF NOT FOUND OR NOT is_member(p_instance) THEN
        RETURN NULL;
    END IF;
    SELECT o.instance INTO holder FROM lane_owner o WHERE o.lane = p_lane;
    IF holder = p_instance THEN
        RETURN present;
    END IF;
    IF holder IS NOT NULL AND is_member(holder) THEN
        RETURN NULL;
    END IF;
    RETURN give_lane(p_lane, p_instance);
END
$$;
