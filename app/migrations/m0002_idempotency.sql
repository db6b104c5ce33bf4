-- What a mutation did for an idempotency key, kept for a day.

CREATE TABLE IF NOT EXISTS idempotency (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    api_key_id UUID NOT NULL,
    mutation TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    result JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (api_key_id, mutation, idempotency_key)
);

CREATE INDEX IF NOT EXISTS idempotency_age ON idempotency (created_at)
