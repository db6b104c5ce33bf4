-- What looks at stored content again: what it looks at next, and which content it reads now.

CREATE INDEX IF NOT EXISTS binary_record_checked
    ON binary_record (content_checked_at) WHERE content_checked_at IS NOT NULL;

CREATE INDEX IF NOT EXISTS binary_record_unhealthy
    ON binary_record (content_checked_at) WHERE content_health <> 'OK';

CREATE TABLE IF NOT EXISTS content_scrub (
    binary_id UUID NOT NULL PRIMARY KEY,
    until TIMESTAMPTZ NOT NULL
)
