-- A delivery's id begins with its event's, which is the time; the rest is random.
CREATE TRIGGER IF NOT EXISTS event_recorded AFTER INSERT ON event
BEGIN
    INSERT INTO webhook_delivery (
        id, organization_id, webhook_id, event_id, subject_id, position, state, attempt_count,
        attempts, queued_at, created_at, updated_at
    )
    SELECT substr(NEW.id, 1, 19) || '8' || substr(lower(hex(randomblob(2))), 2) || '-'
            || lower(hex(randomblob(6))),
        NEW.organization_id, w.id, NEW.id, NEW.subject_id,
        (SELECT coalesce(max(position), 0) FROM webhook_delivery)
            + row_number() OVER (ORDER BY w.id),
        'PENDING', 0, '[]', strftime('%Y-%m-%d %H:%M:%f+00:00', 'now'), NEW.time, NEW.time
    FROM webhook w
    WHERE w.organization_id = NEW.organization_id AND w.enabled
        AND CASE WHEN NEW.kind = 'webhook.test' THEN w.id = NEW.subject_id
            WHEN w.event_kinds IS NULL THEN TRUE
            ELSE NEW.kind IN (SELECT value FROM json_each(w.event_kinds)) END;
    INSERT INTO webhook_lane (webhook_id, subject_id, due_at)
    SELECT webhook_id, subject_id, queued_at FROM webhook_delivery WHERE event_id = NEW.id
    ON CONFLICT DO NOTHING;
END
