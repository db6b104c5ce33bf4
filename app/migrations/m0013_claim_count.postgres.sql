-- While a phase limits a release, each poll asks how many devices have claimed it. To count them
-- takes as long as there are claims, so the number is kept: whatever adds a claim or ends one
-- changes it in the same transaction, whoever does it.
--
-- Devices claim a release that is open to all at once, and must not wait for each other. So the
-- number is the sum of a few rows, of which each connection changes one alone; such a row may be
-- below 0, where claims were ended that another connection made.

CREATE TABLE IF NOT EXISTS release_claim_count (
    release_id UUID NOT NULL,
    slot INTEGER NOT NULL,
    organization_id UUID NOT NULL REFERENCES organization (id),
    claims INTEGER NOT NULL,
    PRIMARY KEY (release_id, slot)
);

-- Rows are locked in the order of their ids, so that no two changes wait for each other.
CREATE OR REPLACE FUNCTION bindery_claims_counted() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    sign INTEGER := CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END;
BEGIN
    INSERT INTO release_claim_count AS kept (release_id, slot, organization_id, claims)
    SELECT release_id, pg_backend_pid() % 16, (array_agg(organization_id))[1], sign * COUNT(*)
    FROM changed GROUP BY release_id ORDER BY release_id
    ON CONFLICT (release_id, slot) DO UPDATE SET claims = kept.claims + excluded.claims;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER release_claim_created AFTER INSERT ON release_claim
REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION bindery_claims_counted();

CREATE OR REPLACE TRIGGER release_claim_deleted AFTER DELETE ON release_claim
REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION bindery_claims_counted();

-- The triggers came first: they keep every other writer of claims waiting until this is done.
DELETE FROM release_claim_count;

INSERT INTO release_claim_count (release_id, slot, organization_id, claims)
SELECT release_id, 0, (array_agg(organization_id))[1], COUNT(*) FROM release_claim
GROUP BY release_id;

-- Not before, since a reference that is there locks each release whose claims are counted: some
-- device may have it, and wait for this to end before it claims the release.
ALTER TABLE release_claim_count
    DROP CONSTRAINT IF EXISTS release_claim_count_release_id_fkey,
    ADD CONSTRAINT release_claim_count_release_id_fkey
        FOREIGN KEY (release_id) REFERENCES release (id)
