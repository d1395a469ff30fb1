-- Instances, their leases, and the lanes that they own under them. A lease is judged by this server's
-- clock alone. Whoever changes these rows locks them in this order: the lane, instances, the lane's
-- owner.

CREATE TABLE instance (
    expires_at timestamptz NOT NULL,
    id         uuid        NOT NULL PRIMARY KEY,
    address    text        NOT NULL
) WITH (fillfactor = 50);

-- No row: the lane is free. A row of an instance that is gone, or of which the lease is over, means
-- the same. It is apart from the lane's own row, which every batch writes anew.
CREATE TABLE lane_owner (
    lane     smallint NOT NULL PRIMARY KEY,
    instance uuid     NOT NULL
) WITH (fillfactor = 50);

CREATE INDEX lane_owner_instance ON lane_owner (instance);

-- Locks the lease of an instance: until the transaction ends it is neither renewed nor left.
CREATE FUNCTION is_member(p_instance uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    ends timestamptz;
BEGIN
    SELECT i.expires_at INTO ends FROM instance i WHERE i.id = p_instance FOR UPDATE;
    -- The time after the lock was waited for.
    RETURN FOUND AND ends > clock_timestamp();
END
$$;

CREATE FUNCTION leave(p_instance uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM instance i WHERE i.id = p_instance;
    DELETE FROM lane_owner o WHERE o.instance = p_instance;
END
$$;

-- A lease that is over is over: its lanes are lost, whether or not somebody has taken them.
CREATE FUNCTION renew(p_instance uuid, p_address text, p_lease_us bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT is_member(p_instance) THEN
        PERFORM leave(p_instance);
        -- Of those who ended without leaving.
        DELETE FROM instance i WHERE i.id IN (
            SELECT old.id FROM instance old WHERE old.expires_at < clock_timestamp() - interval '1 h'
            FOR UPDATE SKIP LOCKED
        );
    END IF;
    INSERT INTO instance (expires_at, id, address)
        VALUES (clock_timestamp() + p_lease_us * interval '1 us', p_instance, p_address)
        ON CONFLICT (id) DO UPDATE
            SET expires_at = excluded.expires_at, address = excluded.address;
END
$$;

-- Gives a lane to an instance and raises its epoch: what the last owner still has on its way is of an
-- older one, and fails.
CREATE FUNCTION give_lane(p_lane smallint, p_instance uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    raised bigint;
BEGIN
    UPDATE lane l SET epoch = l.epoch + 1 WHERE l.lane = p_lane RETURNING l.epoch INTO raised;
    INSERT INTO lane_owner (lane, instance) VALUES (p_lane, p_instance)
        ON CONFLICT (lane) DO UPDATE SET instance = excluded.instance;
    RETURN raised;
END
$$;

-- The lane's epoch under its new owner. Null: it is not to be had. A batch at work holds the lane and
-- is waited for.
CREATE FUNCTION claim_lane(p_lane smallint, p_instance uuid) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    present bigint;
    holder uuid;
BEGIN
    SELECT l.epoch INTO present FROM lane l WHERE l.lane = p_lane FOR UPDATE;
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

CREATE FUNCTION hand_over_lane(p_lane smallint, p_from uuid, p_to uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM lane l WHERE l.lane = p_lane FOR UPDATE;
    IF p_from = p_to OR NOT is_member(p_to) OR NOT EXISTS (
        SELECT 1 FROM lane_owner o WHERE o.lane = p_lane AND o.instance = p_from
    ) THEN
        RETURN false;
    END IF;
    PERFORM give_lane(p_lane, p_to);
    RETURN true;
END
$$;
