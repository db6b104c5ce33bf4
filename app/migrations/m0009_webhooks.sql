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

CREATE INDEX IF NOT EXISTS webhook_lane_due ON webhook_lane (due_at)
