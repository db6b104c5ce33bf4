-- All that the resolver looks at in a device but its claims and tags: equal ones share one entry, so
-- the index stays small. Tags are left out, because they may be longer than an entry of a PostgreSQL
-- index; where they matter, the table is read, which PostgreSQL groups fast enough.

CREATE INDEX IF NOT EXISTS device_alike ON device (
    organization_id, cohort_id, product_id, quarantined, pinned_release_id,
    reported_release_id, reported_bundle_id, reported_version
)
