CREATE SEQUENCE IF NOT EXISTS webhook_delivery_position;

-- A delivery's id begins with its event's, which is the time; the rest is random. A lane that is
-- there is locked: whoever empties it has to wait, and finds that it is not empty.
CREATE OR REPLACE FUNCTION bindery_event_recorded() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    WITH queued AS (
        INSERT INTO webhook_delivery (
            id, organization_id, webhook_id, event_id, subject_id, position, state, attempt_count,
            attempts, queued_at, created_at, updated_at
        )
        SELECT (left(NEW.id::text, 19) || right(gen_random_uuid()::text, 17))::uuid,
            NEW.organization_id, w.id, NEW.id, NEW.subject_id, nextval('webhook_delivery_position'),
            'PENDING', 0, '[]', now(), NEW.time, NEW.time
        FROM webhook w
        WHERE w.organization_id = NEW.organization_id AND w.enabled
            AND CASE WHEN NEW.kind = 'webhook.test' THEN w.id = NEW.subject_id
                WHEN w.event_kinds IS NULL THEN TRUE
                ELSE w.event_kinds ? NEW.kind END
        ORDER BY w.id
        RETURNING webhook_id, subject_id
    )
    INSERT INTO webhook_lane AS lane (webhook_id, subject_id, due_at)
    SELECT webhook_id, subject_id, now() FROM queued ORDER BY webhook_id
    ON CONFLICT (webhook_id, subject_id) DO UPDATE SET due_at = lane.due_at;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER event_recorded AFTER INSERT ON event
FOR EACH ROW EXECUTE FUNCTION bindery_event_recorded()
