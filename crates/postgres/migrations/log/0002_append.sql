-- Appending. What a batch writes has been decided by its writer from what it knows of the lanes; these
-- functions make sure that it still holds.

-- A writer of an older epoch must fail as a whole: an answer instead of an exception would let the
-- statements beside it take effect.
CREATE FUNCTION raise_fenced(p_lane smallint, p_ours bigint, p_epoch bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'lane % is in epoch %, the writer in epoch %', p_lane, p_epoch, p_ours
        USING ERRCODE = 'GM001';
END
$$;

-- Writes one batch over one lane or several, in ascending order. False: a lane has moved on, and
-- nothing is written. p_after of a lane that is only looked at is its p_before.
CREATE FUNCTION append_batch(
    p_batch uuid,
    p_lanes smallint[], p_epochs bigint[], p_before bigint[], p_after bigint[],
    p_times bigint[], p_last_streams bigint[], p_chains bytea[],
    s_id bigint[], s_name bytea[],
    e_position bigint[], e_stream bigint[], e_version bigint[], e_time bigint[], e_crc integer[],
    e_lane smallint[], e_id uuid[], e_kind text[], e_data bytea[], e_meta bytea[],
    k_time bigint[], k_lane smallint[], k_key bytea[], k_fingerprint bytea[], k_streams bytea[]
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    found_lane record;
    at integer := 0;
BEGIN
    FOR found_lane IN
        SELECT l.lane, l.epoch, l.position FROM lane l
        WHERE l.lane = ANY (p_lanes) ORDER BY l.lane FOR UPDATE
    LOOP
        at := at + 1;
        IF found_lane.epoch <> p_epochs[at] THEN
            PERFORM raise_fenced(found_lane.lane, p_epochs[at], found_lane.epoch);
        END IF;
        IF found_lane.position <> p_before[at] THEN
            RETURN false;
        END IF;
    END LOOP;
    IF cardinality(s_id) > 0 THEN
        INSERT INTO stream (id, name) SELECT * FROM unnest(s_id, s_name);
    END IF;
    INSERT INTO event (position, stream, version, time_us, crc, lane, id, kind, data, meta)
        SELECT * FROM unnest(e_position, e_stream, e_version, e_time, e_crc, e_lane, e_id, e_kind,
            e_data, e_meta);
    IF cardinality(k_key) > 0 THEN
        INSERT INTO idempotency (time_us, lane, key, fingerprint, streams)
            SELECT * FROM unnest(k_time, k_lane, k_key, k_fingerprint, k_streams);
    END IF;
    INSERT INTO batch (first_position, events, lane, id, chain)
        SELECT b.before + 1, b.after - b.before, b.lane, p_batch, b.chain
        FROM unnest(p_lanes, p_before, p_after, p_chains) AS b (lane, before, after, chain)
        WHERE b.after > b.before;
    UPDATE lane l SET position = b.after, time_us = b.time, last_stream = b.last_stream,
            chain = b.chain
        FROM unnest(p_lanes, p_before, p_after, p_times, p_last_streams, p_chains)
            AS b (lane, before, after, time, last_stream, chain)
        WHERE l.lane = b.lane AND b.after > b.before;
    RETURN true;
END
$$;

-- Whether a batch of which the reply was lost is written. What may still be on its way is shut out
-- first: a statement at work holds the lane and is waited for, a later one is of an older epoch.
CREATE FUNCTION settle_batch(p_lanes smallint[], p_lane smallint, p_first bigint, p_batch uuid)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM lane l WHERE l.lane = ANY (p_lanes) ORDER BY l.lane FOR UPDATE;
    UPDATE lane l SET epoch = l.epoch + 1 WHERE l.lane = ANY (p_lanes);
    RETURN EXISTS (
        SELECT 1 FROM batch b
        WHERE b.lane = p_lane AND b.first_position = p_first AND b.id = p_batch
    );
END
$$;
