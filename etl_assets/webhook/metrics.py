"""What the service counts, for `GET /metrics`: of sources only those that are configured."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

UNKNOWN: Final = "(unknown)"
"""The source of calls to a path that no source has: anybody may think of names."""

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.received = Counter(
            "webhook_calls_received",
            "Calls, before they are checked",
            ["source"],
            registry=self._registry,
        )
        self.answered = Counter(
            "webhook_calls_answered",
            "Answers, by what became of the call",
            ["source", "outcome", "status"],
            registry=self._registry,
        )
        self.events = Counter(
            "webhook_events_landed",
            "Events in staging_events, new or again",
            ["copy"],
            registry=self._registry,
        )
        self.drained = Counter(
            "webhook_spool_drained_calls", "Calls landed from the spool", registry=self._registry
        )
        self.seconds = Histogram(
            "webhook_answer_seconds",
            "From the headers of a call to its answer",
            ["outcome"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.commit_seconds = Histogram(
            "webhook_commit_seconds",
            "A group of calls, from the first one to its commit",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.group_calls = Histogram(
            "webhook_group_calls",
            "Calls in a group",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500),
            registry=self._registry,
        )

    def gauge(self, name: str, what: str, value: Callable[[], float]) -> None:
        """A number that is asked for when it is shown."""
        Gauge(name, what, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
