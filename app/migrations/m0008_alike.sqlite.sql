-- All that the resolver looks at in a device but its claims: equal ones are neighbours, so that they
-- are counted without a sort and without the table.

CREATE INDEX IF NOT EXISTS device_alike ON device (
    organization_id, cohort_id, product_id, quarantined, pinned_release_id,
    reported_release_id, reported_bundle_id, reported_version, tags
)
