-- Everything of the first version. Each statement may run again after a crash, because the
-- record of a migration is written after the migration itself.

CREATE TABLE IF NOT EXISTS organization (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE IF NOT EXISTS product (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    target TEXT NOT NULL CHECK (target <> 'portable'),
    archived BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, name)
);

CREATE TABLE IF NOT EXISTS cohort (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    product_id UUID NOT NULL REFERENCES product (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    graph_version BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (product_id, name)
);

CREATE TABLE IF NOT EXISTS artifact (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE IF NOT EXISTS artifact_version (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    artifact_id UUID NOT NULL REFERENCES artifact (id),
    version TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (artifact_id, version)
);

CREATE TABLE IF NOT EXISTS binary_record (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    artifact_version_id UUID NOT NULL REFERENCES artifact_version (id),
    target TEXT NOT NULL,
    hash TEXT NOT NULL CHECK (length(hash) = 64),
    size BIGINT NOT NULL CHECK (size BETWEEN 0 AND 53687091200000),
    state TEXT NOT NULL CHECK (
        state IN ('UPLOADABLE', 'HASHABLE', 'HASHING', 'SIGNABLE', 'SIGNED', 'DESTROYED')
    ),
    description TEXT NOT NULL DEFAULT '',
    custom_metadata JSONB NOT NULL,
    destroyed BOOLEAN NOT NULL DEFAULT FALSE,
    bytes_uploaded BIGINT NOT NULL DEFAULT 0,
    revision BIGINT NOT NULL DEFAULT 1,
    epoch BIGINT NOT NULL DEFAULT 1,
    content_erased_at TIMESTAMPTZ,
    content_health TEXT CHECK (content_health IN ('OK', 'CORRUPT', 'MISSING')),
    content_checked_at TIMESTAMPTZ,
    verification_status TEXT CHECK (
        verification_status IN ('PENDING', 'RUNNING', 'RETRYING', 'PASSED', 'FAILED')
    ),
    verification_error TEXT,
    verification_attempts BIGINT NOT NULL DEFAULT 0,
    verification_due_at TIMESTAMPTZ,
    bytes_hashed BIGINT NOT NULL DEFAULT 0,
    computed_hash TEXT,
    computed_size BIGINT,
    lease_token UUID,
    lease_expires_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK (destroyed = (state = 'DESTROYED'))
);

-- A target is unique among the binaries of a version that are not destroyed (domain, section 2).
CREATE UNIQUE INDEX IF NOT EXISTS binary_record_live_target
    ON binary_record (artifact_version_id, target) WHERE state <> 'DESTROYED';

CREATE INDEX IF NOT EXISTS binary_record_version_target
    ON binary_record (artifact_version_id, target);

-- The records in hashing are the queue of the workers.
CREATE INDEX IF NOT EXISTS binary_record_hashing
    ON binary_record (verification_due_at) WHERE state = 'HASHING';

-- The destroyed ones whose content is still to be erased.
CREATE INDEX IF NOT EXISTS binary_record_unerased
    ON binary_record (id) WHERE state = 'DESTROYED' AND content_erased_at IS NULL;

CREATE TABLE IF NOT EXISTS binary_part (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    binary_id UUID NOT NULL REFERENCES binary_record (id),
    part_index INTEGER NOT NULL CHECK (part_index BETWEEN 1 AND 10000),
    size BIGINT NOT NULL,
    hash TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('UPLOADABLE', 'VALID', 'INVALID_SIZE', 'INVALID_HASH')),
    blob TEXT UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (binary_id, part_index),
    CHECK ((blob IS NOT NULL) = (state = 'VALID'))
);

-- A blob is named here before its file exists, and until its part is stored.
CREATE TABLE IF NOT EXISTS storage_intent (
    blob TEXT NOT NULL PRIMARY KEY,
    boot UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- A blob is named here from the moment when its row is gone until its file is.
CREATE TABLE IF NOT EXISTS storage_gc (
    blob TEXT NOT NULL PRIMARY KEY,
    binary_id UUID,
    created_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX IF NOT EXISTS storage_gc_binary ON storage_gc (binary_id);

CREATE TABLE IF NOT EXISTS signing_key (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    public_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    retired BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, fingerprint)
);

CREATE TABLE IF NOT EXISTS binary_signature (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    binary_id UUID NOT NULL REFERENCES binary_record (id),
    signing_key_id UUID NOT NULL REFERENCES signing_key (id),
    signature TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (binary_id, signing_key_id)
);

CREATE INDEX IF NOT EXISTS binary_signature_key ON binary_signature (signing_key_id);

CREATE TABLE IF NOT EXISTS bundle (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE IF NOT EXISTS bundle_version (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    bundle_id UUID NOT NULL REFERENCES bundle (id),
    artifact_version_id UUID NOT NULL REFERENCES artifact_version (id),
    position INTEGER NOT NULL,
    UNIQUE (bundle_id, position),
    UNIQUE (artifact_version_id, bundle_id)
);

-- `next_release_id` is deferred, so that a new latest release can be linked before it is there.
CREATE TABLE IF NOT EXISTS release (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    cohort_id UUID NOT NULL REFERENCES cohort (id),
    bundle_id UUID NOT NULL REFERENCES bundle (id),
    next_release_id UUID REFERENCES release (id) DEFERRABLE INITIALLY DEFERRED,
    name TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    required BOOLEAN NOT NULL DEFAULT FALSE,
    disabled BOOLEAN NOT NULL DEFAULT FALSE,
    archived BOOLEAN NOT NULL DEFAULT FALSE,
    scheduled_at TIMESTAMPTZ,
    phase_value TEXT,
    phase_tags JSONB NOT NULL,
    halt_after INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    version TEXT,
    version_requirement TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (cohort_id, version),
    CHECK (next_release_id <> id)
);

-- All paths of a cohort end in the one latest release (domain, section 7).
CREATE UNIQUE INDEX IF NOT EXISTS release_latest ON release (cohort_id)
    WHERE next_release_id IS NULL;

CREATE INDEX IF NOT EXISTS release_bundle ON release (bundle_id);

CREATE INDEX IF NOT EXISTS release_next ON release (next_release_id);

CREATE TABLE IF NOT EXISTS device (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    product_id UUID NOT NULL REFERENCES product (id),
    cohort_id UUID REFERENCES cohort (id),
    identifier TEXT NOT NULL,
    tags JSONB NOT NULL,
    quarantined BOOLEAN NOT NULL DEFAULT FALSE,
    pinned_release_id UUID REFERENCES release (id),
    reported_release_id UUID REFERENCES release (id),
    reported_bundle_id UUID REFERENCES bundle (id),
    reported_version TEXT,
    last_seen_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (organization_id, identifier)
);

CREATE INDEX IF NOT EXISTS device_product ON device (product_id);

CREATE INDEX IF NOT EXISTS device_cohort ON device (cohort_id);

CREATE INDEX IF NOT EXISTS device_reported_release ON device (reported_release_id);

CREATE INDEX IF NOT EXISTS device_pinned_release ON device (pinned_release_id);

CREATE TABLE IF NOT EXISTS release_claim (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    release_id UUID NOT NULL REFERENCES release (id),
    device_id UUID NOT NULL REFERENCES device (id),
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (device_id, release_id)
);

CREATE INDEX IF NOT EXISTS release_claim_release ON release_claim (release_id);

CREATE TABLE IF NOT EXISTS api_key (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('READ', 'WRITE', 'ADMIN', 'DEVICE')),
    device_id UUID REFERENCES device (id),
    secret_hash TEXT NOT NULL UNIQUE,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK ((device_id IS NOT NULL) = (role = 'DEVICE'))
);

CREATE INDEX IF NOT EXISTS api_key_device ON api_key (device_id);

-- The audit record of every change: only ever inserted.
CREATE TABLE IF NOT EXISTS event (
    id UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organization (id),
    time TIMESTAMPTZ NOT NULL,
    actor_key_id UUID,
    kind TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id UUID NOT NULL,
    before JSONB NOT NULL,
    after JSONB NOT NULL,
    request_id TEXT NOT NULL
);

CREATE INDEX IF NOT EXISTS event_subject ON event (subject_id, id);

CREATE INDEX IF NOT EXISTS event_kind ON event (organization_id, kind, id);

-- Lists are read in order of id, an organization at a time.
CREATE UNIQUE INDEX IF NOT EXISTS cohort_list ON cohort (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS product_list ON product (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS artifact_list ON artifact (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS artifact_version_list ON artifact_version (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS binary_record_list ON binary_record (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS signing_key_list ON signing_key (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS bundle_list ON bundle (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS release_list ON release (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS release_cohort_list ON release (cohort_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS device_list ON device (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS api_key_list ON api_key (organization_id, id);

CREATE UNIQUE INDEX IF NOT EXISTS event_list ON event (organization_id, id)
