-- Processes keep graphs of releases in memory, each with the version that it was read at. So no
-- change of a release, or of a binary that one holds, may go by without another version. What the
-- answer does not rest on (names, failures, times) counts for nothing.

CREATE TRIGGER IF NOT EXISTS release_created AFTER INSERT ON release
BEGIN
    UPDATE cohort SET graph_version = graph_version + 1 WHERE id = NEW.cohort_id;
END;

CREATE TRIGGER IF NOT EXISTS release_deleted AFTER DELETE ON release
BEGIN
    UPDATE cohort SET graph_version = graph_version + 1 WHERE id = OLD.cohort_id;
END;

CREATE TRIGGER IF NOT EXISTS release_changed AFTER UPDATE OF
    id, cohort_id, bundle_id, next_release_id, required, disabled, archived, scheduled_at,
    phase_value, phase_tags, halt_after, version, version_requirement ON release
BEGIN
    UPDATE cohort SET graph_version = graph_version + 1
    WHERE id IN (OLD.cohort_id, NEW.cohort_id);
END;

CREATE TRIGGER IF NOT EXISTS binary_record_created AFTER INSERT ON binary_record
BEGIN
    UPDATE cohort SET graph_version = graph_version + 1 WHERE id IN (
        SELECT r.cohort_id FROM bundle_version bv JOIN release r ON r.bundle_id = bv.bundle_id
        WHERE bv.artifact_version_id = NEW.artifact_version_id
    );
END;

CREATE TRIGGER IF NOT EXISTS binary_record_deleted AFTER DELETE ON binary_record
BEGIN
    UPDATE cohort SET graph_version = graph_version + 1 WHERE id IN (
        SELECT r.cohort_id FROM bundle_version bv JOIN release r ON r.bundle_id = bv.bundle_id
        WHERE bv.artifact_version_id = OLD.artifact_version_id
    );
END;

CREATE TRIGGER IF NOT EXISTS binary_record_changed AFTER UPDATE OF
    id, artifact_version_id, target, state, content_health ON binary_record
WHEN (OLD.id, OLD.artifact_version_id, OLD.target, OLD.state, OLD.content_health)
    IS NOT (NEW.id, NEW.artifact_version_id, NEW.target, NEW.state, NEW.content_health)
BEGIN
    UPDATE cohort SET graph_version = graph_version + 1 WHERE id IN (
        SELECT r.cohort_id FROM bundle_version bv JOIN release r ON r.bundle_id = bv.bundle_id
        WHERE bv.artifact_version_id IN (OLD.artifact_version_id, NEW.artifact_version_id)
    );
END
