-- A page costs the same in a list of a thousand rows and of a million: its index begins with what
-- every row of the list has in common, goes on with the order, and ends with the id.

CREATE UNIQUE INDEX IF NOT EXISTS artifact_by_name ON artifact (organization_id, name, id);

CREATE UNIQUE INDEX IF NOT EXISTS artifact_by_time ON artifact (organization_id, updated_at, id);

CREATE UNIQUE INDEX IF NOT EXISTS artifact_version_by_version
    ON artifact_version (organization_id, version, id);

CREATE UNIQUE INDEX IF NOT EXISTS artifact_version_artifact ON artifact_version (artifact_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS binary_record_by_size
    ON binary_record (organization_id, size, id);

CREATE UNIQUE INDEX IF NOT EXISTS binary_record_by_state
    ON binary_record (organization_id, state, id);

CREATE UNIQUE INDEX IF NOT EXISTS binary_record_by_target
    ON binary_record (organization_id, target, id);

CREATE UNIQUE INDEX IF NOT EXISTS binary_record_by_time
    ON binary_record (organization_id, updated_at, id);

-- What is looked for among binaries: a content, and what somebody has to look at.
CREATE UNIQUE INDEX IF NOT EXISTS binary_record_by_hash
    ON binary_record (organization_id, hash, id);

CREATE UNIQUE INDEX IF NOT EXISTS binary_record_by_verification
    ON binary_record (organization_id, verification_status, id);

CREATE UNIQUE INDEX IF NOT EXISTS binary_record_by_health
    ON binary_record (organization_id, content_health, id);

CREATE UNIQUE INDEX IF NOT EXISTS bundle_by_name ON bundle (organization_id, name, id);

CREATE UNIQUE INDEX IF NOT EXISTS bundle_by_time ON bundle (organization_id, updated_at, id);

CREATE UNIQUE INDEX IF NOT EXISTS release_by_name ON release (organization_id, name, id);

CREATE UNIQUE INDEX IF NOT EXISTS release_by_time ON release (organization_id, updated_at, id);

CREATE UNIQUE INDEX IF NOT EXISTS device_by_time ON device (organization_id, updated_at, id);

CREATE UNIQUE INDEX IF NOT EXISTS device_by_quarantine ON device (organization_id, quarantined, id);

-- Children in the order of their ids. Each takes the place of an index on the parent alone.
CREATE UNIQUE INDEX IF NOT EXISTS device_cohort_list ON device (cohort_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS device_product_list ON device (product_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS device_release_list ON device (reported_release_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS device_release_by_time
    ON device (reported_release_id, updated_at, id);

CREATE UNIQUE INDEX IF NOT EXISTS release_bundle_list ON release (bundle_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS release_next_list ON release (next_release_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS binary_signature_key_list ON binary_signature (signing_key_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS release_claim_list ON release_claim (release_id, device_id);

DROP INDEX IF EXISTS device_cohort;

DROP INDEX IF EXISTS device_product;

DROP INDEX IF EXISTS device_reported_release;

DROP INDEX IF EXISTS release_bundle;

DROP INDEX IF EXISTS release_next;

DROP INDEX IF EXISTS binary_signature_key;

DROP INDEX IF EXISTS release_claim_release
