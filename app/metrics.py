"""What one process counts about itself, in the form that Prometheus reads.

Every label has few values, whoever sends what: the fields of the schema, the codes of errors, the
states of binaries. A name that a client chose never becomes a label.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
REASONS: Final = 50
"""How many reasons for a decline are told apart; what comes later is `other`."""

# Prometheus derives the time of creation, and each counter would stand there twice.
disable_created_metrics()  # type: ignore[no-untyped-call]

Labelled = Callable[..., Counter]
"""Gives the counter of some labels. Each is looked up once, as that costs more than to count."""


class Plans:
    """What became of the operations that the planner was asked to plan."""

    def __init__(self, registry: CollectorRegistry) -> None:
        plans = Counter(
            "bindery_plans",
            "Operations by what the planner did with them; a declined one names its reason.",
            ["outcome", "reason"],
            registry=registry,
        )
        self._plans: Labelled = cache(plans.labels)
        self._hits = Counter(
            "bindery_plan_cache_hits",
            "Operations whose plan was kept from an earlier one.",
            registry=registry,
        )
        self._reasons: set[str] = set()

    def planned(self) -> None:
        """Counts an operation that runs by a plan."""
        self._plans("planned", "").inc()

    def declined(self, reason: str) -> None:
        """Counts an operation that the reference executor has to run, and why."""
        if len(self._reasons) >= REASONS and reason not in self._reasons:
            reason = "other"
        self._reasons.add(reason)
        self._plans("declined", reason).inc()

    def cache_hit(self) -> None:
        """Counts a plan, or a decline, that did not have to be found again."""
        self._hits.inc()


class Known:
    """What the database knows, as it was last counted: the same for all processes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.waiting = self._gauge(
            "bindery_webhook_deliveries_waiting", "Events that are still to be sent to webhooks."
        )
        self.binaries = self._gauge("bindery_binaries", "Binaries, by state.", "state")
        self.content = self._gauge(
            "bindery_binary_bytes", "The sizes of binaries added up, by state.", "state"
        )
        self.verifications = self._gauge(
            "bindery_verifications", "Binaries in hashing, by status.", "status"
        )
        self.leases = self._gauge(
            "bindery_leases", "Leases on verification: held, or expired.", "lease"
        )
        self.stuck = self._gauge(
            "bindery_stuck_hashing",
            "Binaries that nobody has begun to hash, or went on with, for five minutes.",
        )
        self.garbage = self._gauge("bindery_garbage_blobs", "Blobs that are still to be erased.")
        self.intents = self._gauge("bindery_unfinished_blobs", "Blobs that are on their way in.")
        self.damaged = self._gauge(
            "bindery_damaged_binaries", "Binaries that are not served, by health.", "health"
        )
        self.database = self._gauge("bindery_database_up", "Whether the database answers.")

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)


class Metrics:
    """The counters and gauges of one process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.plans = Plans(self.registry)
        self._answered = self._counter(
            "bindery_requests",
            "Requests by route and status; 0: without an answer.",
            route=(),
            status=(),
        )
        self._operations = self._counter(
            "bindery_operations", "GraphQL operations that were let in.", operation=()
        )
        self._cost = self._counter(
            "bindery_operation_cost", "The cost that these operations asked for.", operation=()
        )
        seconds = Histogram(
            "bindery_operation_seconds",
            "How long queries and mutations took, from their parsing to their answer.",
            ["operation"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._seconds: Callable[..., Histogram] = cache(seconds.labels)
        self._errors = self._counter(
            "bindery_errors",
            "Errors that were told to callers, by door and code.",
            door=(),
            code=(),
        )
        self._bytes = self._counter(
            "bindery_content_bytes",
            "Bytes of content: received, sent, hashed.",
            direction=("received", "sent", "hashed"),
        )
        self._leases = self._counter(
            "bindery_lease_events",
            "Leases on verification that this process took, renewed, lost, or gave back.",
            event=("taken", "renewed", "lost", "released"),
        )
        self._lost = Counter(
            "bindery_log_lines_lost",
            "Lines of the log that were dropped, since nobody read them.",
            registry=self.registry,
        )
        self._webhooks = self._counter(
            "bindery_webhook_attempts",
            "Attempts to send a webhook, by what came of it.",
            outcome=("delivered", "pending", "dead", "lost"),
        )
        self.known = Known(self.registry)

    def answered(self, route: str, status: int) -> None:
        """Counts a request that is over; `route` is one of few, whatever was asked for."""
        self._answered(route, str(status)).inc()

    def operation(self, name: str, *, cost: int) -> None:
        """Counts one operation; `name` is one of the schema's root fields, or the like."""
        self._operations(name).inc()
        self._cost(name).inc(cost)

    def took(self, name: str, seconds: float) -> None:
        """Notes how long an operation took; `refused` is the name of what was not let in."""
        self._seconds(name).observe(seconds)

    def error(self, door: str, code: str) -> None:
        """Counts an error that a caller is told; `door` is `graphql` or `http`."""
        self._errors(door, code).inc()

    def received(self, count: int) -> None:
        """Counts bytes that came in and were stored."""
        self._bytes("received").inc(count)

    def sent(self, count: int) -> None:
        """Counts bytes that went out."""
        self._bytes("sent").inc(count)

    def hashed(self, count: int) -> None:
        """Counts bytes that were read back and hashed."""
        self._bytes("hashed").inc(count)

    def lease(self, event: str) -> None:
        """Counts what became of a lease: `taken`, `renewed`, `lost` or `released`."""
        self._leases(event).inc()

    def line_lost(self) -> None:
        """Counts a line of the log that found no room."""
        self._lost.inc()

    def webhook(self, outcome: str) -> None:
        """Counts an attempt to send a webhook: `delivered`, `pending` (again), `dead`, `lost`."""
        self._webhooks(outcome).inc()

    def _counter(self, name: str, text: str, **labels: tuple[str, ...]) -> Labelled:
        """A counter; where a label's few values are given, each is told from the start."""
        labelled: Labelled = cache(
            Counter(name, text, tuple(labels), registry=self.registry).labels
        )
        for values in itertools.product(*labels.values()):
            labelled(*values)
        return labelled
