-- Uploads that nobody goes on with are found by when something was last done about them.

CREATE INDEX IF NOT EXISTS binary_record_idle
    ON binary_record (updated_at) WHERE state = 'UPLOADABLE';
