-- The processes that share a database, by which dead ones' unfinished uploads are told.

CREATE TABLE IF NOT EXISTS process (
    boot UUID NOT NULL PRIMARY KEY,
    seen_at TIMESTAMPTZ NOT NULL
)
