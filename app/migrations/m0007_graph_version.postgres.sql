-- Processes keep graphs of releases in memory, each with the version that it was read at. So no
-- change of a release, or of a binary that one holds, may go by without another version. What the
-- answer does not rest on (names, failures, times) counts for nothing.
--
-- Two transactions may go on side by side: one releases a bundle while the other changes a binary
-- in it. Neither sees the other's row yet, so they have to meet at a lock: whoever releases shares
-- the rows of the versions and of the binaries, whoever changes one of these rows needs it alone.
-- Whichever comes second sees what the first one has done.

CREATE OR REPLACE FUNCTION bindery_graphs_changed(changed UUID[]) RETURNS VOID
LANGUAGE plpgsql AS $$
BEGIN
    IF changed IS NULL THEN
        RETURN;
    END IF;
    -- In order of id, as every edit of a graph locks its cohorts.
    PERFORM 1 FROM cohort WHERE id = ANY (changed) ORDER BY id FOR NO KEY UPDATE;
    UPDATE cohort SET graph_version = graph_version + 1 WHERE id = ANY (changed);
END
$$;

CREATE OR REPLACE FUNCTION bindery_cohorts_of(versions UUID[]) RETURNS UUID[]
LANGUAGE sql VOLATILE AS $$
    SELECT array_agg(DISTINCT r.cohort_id) FROM bundle_version bv
    JOIN release r ON r.bundle_id = bv.bundle_id
    WHERE bv.artifact_version_id = ANY (versions)
$$;

CREATE OR REPLACE FUNCTION bindery_release_changed() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM bindery_graphs_changed(ARRAY[OLD.cohort_id]);
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' OR OLD.bundle_id <> NEW.bundle_id THEN
        PERFORM 1 FROM artifact_version v JOIN bundle_version bv ON bv.artifact_version_id = v.id
            WHERE bv.bundle_id = NEW.bundle_id ORDER BY v.id FOR SHARE OF v;
        PERFORM 1 FROM binary_record b
            JOIN bundle_version bv ON bv.artifact_version_id = b.artifact_version_id
            WHERE bv.bundle_id = NEW.bundle_id ORDER BY b.id FOR SHARE OF b;
    END IF;
    IF TG_OP = 'INSERT' THEN
        PERFORM bindery_graphs_changed(ARRAY[NEW.cohort_id]);
    ELSE
        PERFORM bindery_graphs_changed(ARRAY[OLD.cohort_id, NEW.cohort_id]);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION bindery_binary_changed() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    versions UUID[];
    cohorts UUID[];
BEGIN
    IF TG_OP = 'DELETE' THEN
        versions := ARRAY[OLD.artifact_version_id];
    ELSIF TG_OP = 'UPDATE' THEN
        versions := ARRAY[OLD.artifact_version_id, NEW.artifact_version_id];
    ELSE
        versions := ARRAY[NEW.artifact_version_id];
        -- A row that is not there yet can't be shared, but its version can. Cohorts come first,
        -- as in every edit of a graph.
        cohorts := bindery_cohorts_of(versions);
        PERFORM 1 FROM cohort WHERE id = ANY (cohorts) ORDER BY id FOR NO KEY UPDATE;
        PERFORM 1 FROM artifact_version WHERE id = ANY (versions) FOR NO KEY UPDATE;
    END IF;
    cohorts := bindery_cohorts_of(versions);
    PERFORM bindery_graphs_changed(cohorts);
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER release_created AFTER INSERT ON release
FOR EACH ROW EXECUTE FUNCTION bindery_release_changed();

CREATE OR REPLACE TRIGGER release_deleted AFTER DELETE ON release
FOR EACH ROW EXECUTE FUNCTION bindery_release_changed();

CREATE OR REPLACE TRIGGER release_changed AFTER UPDATE OF
    id, cohort_id, bundle_id, next_release_id, required, disabled, archived, scheduled_at,
    phase_value, phase_tags, halt_after, version, version_requirement ON release
FOR EACH ROW EXECUTE FUNCTION bindery_release_changed();

CREATE OR REPLACE TRIGGER binary_record_created AFTER INSERT ON binary_record
FOR EACH ROW EXECUTE FUNCTION bindery_binary_changed();

CREATE OR REPLACE TRIGGER binary_record_deleted AFTER DELETE ON binary_record
FOR EACH ROW EXECUTE FUNCTION bindery_binary_changed();

CREATE OR REPLACE TRIGGER binary_record_changed AFTER UPDATE OF
    id, artifact_version_id, target, state, content_health ON binary_record
FOR EACH ROW
WHEN ((OLD.id, OLD.artifact_version_id, OLD.target, OLD.state, OLD.content_health)
    IS DISTINCT FROM (NEW.id, NEW.artifact_version_id, NEW.target, NEW.state, NEW.content_health))
EXECUTE FUNCTION bindery_binary_changed()
