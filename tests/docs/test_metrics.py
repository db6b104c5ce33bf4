"""The page of metrics is printed from the code."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import Metric

from app.metrics import Metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
HEAD = """# Metrics

`GET /metrics` answers in the form that Prometheus reads. It is told to whoever sends an ADMIN key
of any organization, or the secret of `BINDERY_METRICS_TOKEN`, as `Authorization: Bearer …`; to a
program on the same machine that asks `127.0.0.1`, `::1` or `localhost` directly, without one. What
a proxy forwards is never local.

Each process counts its own work since its start; a worker tells its own with
`bindery worker --port`, and has `/health/live` and `/health/ready` there too. What the database
knows (binaries, verifications, leases, blobs, webhooks) is the same for all of them, counts every
organization, and is at most 10 seconds old. While the database does not answer,
`bindery_database_up` is 0 and those are left out or `NaN`.

`operation` is the root field of the schema that was asked for; `several` where there were more
than one, `introspection`, and `unknown` or `refused` for what is not in the schema or was not let
in. The `code` of an error is one of [the page of errors](errors.md).

| metric | kind | labels | what it is |
|---|---|---|---|
"""
TAIL = """
Beside them stand `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`,
`process_max_fds`, `process_virtual_memory_bytes` and `process_start_time_seconds`.

What is worth an alert: `bindery_database_up == 0`; `bindery_stuck_hashing > 0` for ten minutes;
`bindery_damaged_binaries > 0` ([what to do](durability.md));
`bindery_garbage_blobs` that grows for an hour (content that can't be erased);
`increase(bindery_webhook_attempts_total{outcome="dead"}[1h]) > 0` ([webhooks](webhooks.md));
`rate(bindery_errors_total{code=~"STORAGE_.*|DATABASE_UNAVAILABLE|INTERNAL_SERVER_ERROR"}[5m]) > 0`.
"""


def own(metrics: Metrics) -> list[Metric]:
    """Bindery's own families, in order of their names."""
    found = [one for one in metrics.registry.collect() if one.name.startswith("bindery_")]
    return sorted(found, key=lambda one: one.name)


def page() -> str:
    """The page as the code has it."""
    metrics = Metrics()
    named = metrics.registry._names_to_collectors
    rows = []
    for family in own(metrics):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in getattr(named[name], "_labelnames", ()))
        rows.append(f"| `{name}` | {family.type} | {labels} | {family.documentation} |\n")
    return HEAD + "".join(rows) + TAIL


def test_the_page_says_what_the_code_counts() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_each_process_counts_for_itself() -> None:
    one, other = Metrics(), Metrics()
    one.error("http", "NOT_FOUND")
    labels = {"door": "http", "code": "NOT_FOUND"}
    assert one.registry.get_sample_value("bindery_errors_total", labels) == 1
    assert other.registry.get_sample_value("bindery_errors_total", labels) is None


def test_reasons_of_declines_are_bounded() -> None:
    metrics = Metrics()
    for number in range(80):
        metrics.plans.declined(f"reason {number}")
    metrics.plans.declined("reason 3")
    value = metrics.registry.get_sample_value
    declined = {"outcome": "declined"}
    assert value("bindery_plans_total", {**declined, "reason": "reason 3"}) == 2
    assert value("bindery_plans_total", {**declined, "reason": "reason 50"}) is None
    assert value("bindery_plans_total", {**declined, "reason": "other"}) == 30
