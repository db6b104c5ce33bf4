-- What is to be sent to webhooks is written by the database itself, in the transaction of each
-- event: no change can be made without it, and none that was rolled back is ever sent.
--
-- A lane is what waits for one webhook about one subject. Whoever writes an event holds the lock on
-- its subject, so positions in a lane are in the order of the changes.

CREATE TABLE IF NOT EXISTS webhook (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    event_kinds JSONB,
    enabled BOOLEAN NOT NULL,
    generation INTEGER NOT NULL,
    secret_check TEXT NOT NULL,
    previous_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE UNIQUE INDEX IF NOT EXISTS webhook_list ON webhook (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS webhook_by_name ON webhook (organization_id, name, id);

CREATE UNIQUE INDEX IF NOT EXISTS webhook_by_time ON webhook (organization_id, updated_at, id);

CREATE TABLE IF NOT EXISTS webhook_delivery (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    webhook_id UUID NOT NULL REFERENCES webhook (id),
    event_id UUID NOT NULL REFERENCES event (id),
    subject_id UUID NOT NULL,
    position BIGINT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('PENDING', 'DELIVERED', 'DEAD')),
    attempt_count INTEGER NOT NULL,
    attempts JSONB NOT NULL,
    queued_at TIMESTAMPTZ NOT NULL,
    next_attempt_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK ((ended_at IS NULL) = (state = 'PENDING'))
);

CREATE UNIQUE INDEX IF NOT EXISTS webhook_delivery_list ON webhook_delivery (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS webhook_delivery_webhook_list
    ON webhook_delivery (webhook_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS webhook_delivery_event_list ON webhook_delivery (event_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS webhook_delivery_by_state
    ON webhook_delivery (organization_id, state, id);

CREATE INDEX IF NOT EXISTS webhook_delivery_waiting
    ON webhook_delivery (webhook_id, subject_id, position) WHERE state = 'PENDING';

CREATE INDEX IF NOT EXISTS webhook_delivery_ended
    ON webhook_delivery (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS webhook_lane (
    webhook_id UUID NOT NULL REFERENCES webhook (id),
    subject_id UUID NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    token UUID,
    PRIMARY KEY (webhook_id, subject_id)
);

CREATE INDEX IF NOT EXISTS webhook_lane_due ON webhook_lane (due_at);

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
