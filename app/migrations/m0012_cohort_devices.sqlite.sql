-- While a phase limits a release, each poll asks how many devices the cohort has. To count them
-- takes as long as the cohort is large, so the number is kept: whatever adds a device to a cohort
-- or takes it from one changes that cohort's row in the same transaction, whoever does it.

CREATE TABLE IF NOT EXISTS cohort_devices (
    cohort_id UUID NOT NULL PRIMARY KEY REFERENCES cohort (id),
    organization_id UUID NOT NULL REFERENCES organization (id),
    devices BIGINT NOT NULL
);

CREATE TRIGGER IF NOT EXISTS device_created AFTER INSERT ON device
WHEN NEW.cohort_id IS NOT NULL
BEGIN
    INSERT INTO cohort_devices (cohort_id, organization_id, devices)
    VALUES (NEW.cohort_id, NEW.organization_id, 1)
    ON CONFLICT (cohort_id) DO UPDATE SET devices = devices + 1;
END;

CREATE TRIGGER IF NOT EXISTS device_deleted AFTER DELETE ON device
WHEN OLD.cohort_id IS NOT NULL
BEGIN
    UPDATE cohort_devices SET devices = devices - 1 WHERE cohort_id = OLD.cohort_id;
END;

CREATE TRIGGER IF NOT EXISTS device_moved AFTER UPDATE OF cohort_id ON device
WHEN OLD.cohort_id IS NOT NEW.cohort_id
BEGIN
    UPDATE cohort_devices SET devices = devices - 1 WHERE cohort_id = OLD.cohort_id;
    INSERT INTO cohort_devices (cohort_id, organization_id, devices)
    SELECT NEW.cohort_id, NEW.organization_id, 1 WHERE NEW.cohort_id IS NOT NULL
    ON CONFLICT (cohort_id) DO UPDATE SET devices = devices + 1;
END;

INSERT INTO cohort_devices (cohort_id, organization_id, devices)
SELECT cohort_id, organization_id, COUNT(*) FROM device
WHERE cohort_id IS NOT NULL GROUP BY cohort_id
ON CONFLICT (cohort_id) DO UPDATE SET devices = excluded.devices
