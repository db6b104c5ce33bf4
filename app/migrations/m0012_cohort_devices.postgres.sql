-- While a phase limits a release, each poll asks how many devices the cohort has. To count them
-- takes as long as the cohort is large, so the number is kept: whatever adds a device to a cohort
-- or takes it from one changes that cohort's row in the same transaction, whoever does it.

CREATE TABLE IF NOT EXISTS cohort_devices (
    cohort_id UUID NOT NULL PRIMARY KEY REFERENCES cohort (id),
    organization_id UUID NOT NULL REFERENCES organization (id),
    devices BIGINT NOT NULL
);

-- Rows are locked in the order of their ids, so that no two changes wait for each other. Devices
-- that one statement adds or deletes are counted at once.
CREATE OR REPLACE FUNCTION bindery_devices_counted() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
DECLARE
    sign INTEGER := CASE TG_OP WHEN 'DELETE' THEN -1 ELSE 1 END;
BEGIN
    INSERT INTO cohort_devices AS kept (cohort_id, organization_id, devices)
    SELECT cohort_id, (array_agg(organization_id))[1], sign * COUNT(*) FROM changed
    WHERE cohort_id IS NOT NULL GROUP BY cohort_id ORDER BY cohort_id
    ON CONFLICT (cohort_id) DO UPDATE SET devices = kept.devices + excluded.devices;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION bindery_device_moved() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cohort_devices AS kept (cohort_id, organization_id, devices)
    SELECT moved.cohort_id, NEW.organization_id, moved.devices
    FROM (VALUES (OLD.cohort_id, -1), (NEW.cohort_id, 1)) AS moved (cohort_id, devices)
    WHERE moved.cohort_id IS NOT NULL ORDER BY moved.cohort_id
    ON CONFLICT (cohort_id) DO UPDATE SET devices = kept.devices + excluded.devices;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER device_created AFTER INSERT ON device
REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION bindery_devices_counted();

CREATE OR REPLACE TRIGGER device_deleted AFTER DELETE ON device
REFERENCING OLD TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION bindery_devices_counted();

CREATE OR REPLACE TRIGGER device_moved AFTER UPDATE OF cohort_id ON device
FOR EACH ROW WHEN (OLD.cohort_id IS DISTINCT FROM NEW.cohort_id)
EXECUTE FUNCTION bindery_device_moved();

-- The triggers came first: they keep every other writer of devices waiting until this is done.
INSERT INTO cohort_devices (cohort_id, organization_id, devices)
SELECT cohort_id, (array_agg(organization_id))[1], COUNT(*) FROM device
WHERE cohort_id IS NOT NULL GROUP BY cohort_id
ON CONFLICT (cohort_id) DO UPDATE SET devices = excluded.devices
