-- While a phase limits a release, each poll asks how many devices have claimed it. To count them
-- takes as long as there are claims, so the number is kept: whatever adds a claim or ends one
-- changes it in the same transaction, whoever does it.
--
-- PostgreSQL keeps it in several rows, so that connections do not wait for each other. Here one
-- writes at a time, and one row, of slot 0, has the number.

CREATE TABLE IF NOT EXISTS release_claim_count (
    release_id UUID NOT NULL REFERENCES release (id),
    slot INTEGER NOT NULL,
    organization_id UUID NOT NULL REFERENCES organization (id),
    claims INTEGER NOT NULL,
    PRIMARY KEY (release_id, slot)
);

CREATE TRIGGER IF NOT EXISTS release_claim_created AFTER INSERT ON release_claim
BEGIN
    INSERT INTO release_claim_count (release_id, slot, organization_id, claims)
    VALUES (NEW.release_id, 0, NEW.organization_id, 1)
    ON CONFLICT (release_id, slot) DO UPDATE SET claims = claims + 1;
END;

CREATE TRIGGER IF NOT EXISTS release_claim_deleted AFTER DELETE ON release_claim
BEGIN
    UPDATE release_claim_count SET claims = claims - 1
    WHERE release_id = OLD.release_id AND slot = 0;
END;

DELETE FROM release_claim_count;

INSERT INTO release_claim_count (release_id, slot, organization_id, claims)
SELECT release_id, 0, organization_id, COUNT(*) FROM release_claim GROUP BY release_id
