-- What an organization's parts take, stored or on their way, and how much it may be. It is counted
-- with each change of a part, so that nobody has to add up a million of them to take one more.

CREATE TABLE IF NOT EXISTS storage_usage (
    organization_id UUID NOT NULL PRIMARY KEY REFERENCES organization (id),
    bytes BIGINT NOT NULL,
    quota BIGINT
);

INSERT INTO storage_usage (organization_id, bytes)
SELECT organization_id, SUM(size) FROM binary_part WHERE TRUE GROUP BY organization_id
ON CONFLICT (organization_id) DO UPDATE SET bytes = excluded.bytes
