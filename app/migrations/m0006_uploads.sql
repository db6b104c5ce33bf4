-- An object in a bucket that clients send the parts of one binary to, named here for as long as the
-- binary has that content.

CREATE TABLE IF NOT EXISTS storage_upload (
    blob TEXT NOT NULL PRIMARY KEY,
    binary_id UUID NOT NULL UNIQUE REFERENCES binary_record (id),
    upload TEXT NOT NULL,
    completing BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
)
