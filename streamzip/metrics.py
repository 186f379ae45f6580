"""Everything that is counted, declared once: name, labels, help. docs/monitoring.md explains each.

Nothing is kept until `begin`: without STREAMZIP_METRICS a count costs one comparison, and prometheus-client is not
loaded. With it, each process counts into files of its own, mapped into memory, which the exposition adds up. They
outlive `kill -9`; a worker that takes a dead one's place goes on in its counters and histograms, so that nothing is
lost or counted twice, and begins its gauges anew.

Labels are words of a fixed set: never a host, a hash, a key or a URL, of which there is no end.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

# Bytes of each file that are taken at once: what is mapped, and has no room on a full disk, ends the process (SIGBUS).
_ROOM: Final = 256 << 10
_COUNTED: Final = ("counter", "histogram")
_PRESENT: Final = ("gauge_livesum", "gauge_livemostrecent")

_every: "list[_Metric]" = []


class _Metric(ABC):
    """`labels`: the names of what each count is told apart by; their values are given in this order."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self.help = help
        self.labels = tuple(labels)
        self._bound: Any = None  # prometheus-client's metric, from `begin` on
        self._children: dict[tuple[str, ...], Any] = {}
        _every.append(self)

    @property
    def is_bound(self) -> bool:
        """Return whether it is kept."""
        return self._bound is not None

    @abstractmethod
    def bind(self, client: Any, registry: Any) -> None:
        """Count from now on. `client`: the module prometheus_client."""

    def _child(self, labels: tuple[str, ...]) -> Any:
        child = self._children.get(labels)
        if child is None:
            child = self._children[labels] = self._bound.labels(*labels) if labels else self._bound
        return child


class Counter(_Metric):
    """Grows for as long as the gateway lives."""

    def bind(self, client: Any, registry: Any) -> None:
        """See _Metric."""
        self._bound = client.Counter(self.name, self.help, self.labels, registry=registry)

    def add(self, *labels: str, amount: float = 1.0) -> None:
        """Count one, or so many."""
        if amount and self._bound is not None:
            self._child(labels).inc(amount)


class Gauge(_Metric):
    """Is what it is now: `sum` of the processes, or the `latest` word of those that know."""

    def __init__(
        self, name: str, help: str, labels: Sequence[str] = (), *, over: Literal["sum", "latest"] = "sum"
    ) -> None:
        super().__init__(name, help, labels)
        self._mode = "livesum" if over == "sum" else "livemostrecent"

    def bind(self, client: Any, registry: Any) -> None:
        """See _Metric."""
        self._bound = client.Gauge(self.name, self.help, self.labels, registry=registry, multiprocess_mode=self._mode)

    def set(self, value: float, *labels: str) -> None:
        """Say what it is."""
        if self._bound is not None:
            self._child(labels).set(value)

    def change(self, by: float) -> None:
        """Say by how much it changed."""
        if self._bound is not None:
            self._bound.inc(by)

    def replace(self, values: Mapping[tuple[str, ...], float], *first: str) -> None:
        """Say all that it is, of those whose labels begin with `first`: what is not among `values` is 0."""
        if self._bound is None:
            return
        for labels in list(self._children):
            if labels[: len(first)] == first and labels not in values:
                self._child(labels).set(0)
        for labels, value in values.items():
            self._child(labels).set(value)


class Histogram(_Metric):
    """Counts values by their size."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = (), *, buckets: Sequence[float]) -> None:
        super().__init__(name, help, labels)
        self._buckets = tuple(buckets)

    def bind(self, client: Any, registry: Any) -> None:
        """See _Metric."""
        self._bound = client.Histogram(self.name, self.help, self.labels, registry=registry, buckets=self._buckets)

    def observe(self, value: float, *labels: str) -> None:
        """Count a value."""
        if self._bound is not None:
            self._child(labels).observe(value)


def begin(folder: Path, place: str) -> None:
    """Count from now on, into files of this folder. `place`: a word without `_`, the process's own among those that
    live. OSError from the disk.
    """
    for kind in (*_COUNTED, *_PRESENT):
        path = folder / f"{kind}_{place}.db"
        if kind in _PRESENT:
            path.unlink(missing_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, _ROOM)
        finally:
            os.close(file)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    import prometheus_client
    from prometheus_client import values

    # By place and not by process id, or each worker that dies would leave files behind.
    values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]
    registry = prometheus_client.CollectorRegistry()
    for metric in _every:
        metric.bind(prometheus_client, registry)


def counts() -> bool:
    """Return whether anything is counted here: what costs a query need not be asked otherwise."""
    return WORKERS.is_bound


def names() -> dict[str, str]:
    """Return the help of every metric, by its name."""
    return {metric.name: metric.help for metric in _every}


_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LAGS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

# -- clients
REQUESTS = Counter("streamzip_requests_total", "Requests answered.", ("route", "method", "status"))
FIRST_BYTE = Histogram(
    "streamzip_first_byte_seconds", "Seconds from a request's head to the answer's.", ("route",), buckets=_SECONDS
)
REFUSED = Counter("streamzip_requests_refused_total", "Requests that got no further than the door.", ("status",))
SENT = Counter("streamzip_sent_bytes_total", "Bytes of answers' bodies that clients took.", ("kind",))
DOWNLOADS = Counter("streamzip_downloads_total", "Downloads that ended.", ("outcome", "status"))
DOWNLOADING = Gauge("streamzip_downloads_active", "Downloads under way.")
CONNECTIONS = Gauge("streamzip_connections", "Clients' connections.", ("state",))
CONNECTIONS_LIMIT = Gauge("streamzip_connections_limit", "Clients' connections that there may be.")
WATCHERS = Gauge("streamzip_watchers", "Event streams.")

# -- origins
ORIGIN_REQUESTS = Counter("streamzip_origin_requests_total", "Requests to origins, by status or code.", ("outcome",))
ORIGIN_BYTES = Counter("streamzip_origin_bytes_total", "Bytes of bodies that origins sent.")
ORIGIN_RETRIES = Counter(
    "streamzip_origin_retries_total", "Attempts at a file that failed and are repeated.", ("code",)
)
ORIGIN_REFUSALS = Counter(
    "streamzip_origin_refusals_total", "Refusals that made the gateway ask an origin for less.", ("code",)
)
ORIGINS_WAITED_FOR = Gauge("streamzip_origins_waited_for", "Origins that refuse some requests, so that others wait.")
LEFT_OUT = Counter("streamzip_entries_left_out_total", "Entries left out of archives.", ("code",))
PULLS = Gauge("streamzip_pulls_active", "Parts of archives that are being pulled.")

# -- archives, and what lies on disk
ARCHIVES = Gauge("streamzip_archives", "Archives in the store.", ("state",), over="latest")
ARCHIVES_OPEN = Gauge("streamzip_archives_open", "Archives that are open in a process.")
COMPLETED = Counter("streamzip_archives_completed_total", "Archives of which a full pass was made.")
FOREIGN_PULLS = Counter(
    "streamzip_foreign_pulls_total", "Archives opened here that another gateway of the store had begun to pull."
)
FAILED = Counter("streamzip_archives_failed_total", "Failures of archives.", ("code",))
COPIES = Gauge("streamzip_copies_bytes", "Disk that the copies take.", over="latest")
COPIES_LIMIT = Gauge("streamzip_copies_limit_bytes", "Disk that the copies may take now.", over="latest")
DISK_FREE = Gauge("streamzip_disk_free_bytes", "Disk that is free beneath the copies.", over="latest")
SCRUBBED = Counter("streamzip_scrubbed_bytes_total", "Bytes of copies that were compared with their CRCs.")
SCRUB_DAMAGED = Counter("streamzip_scrub_damaged_total", "Copies that were found damaged.")
EVICTED = Counter("streamzip_evictions_total", "Copies that made room for others.")
STREAM_MEMORY = Gauge("streamzip_stream_memory_bytes", "Memory that downloads without a copy hold.")
STREAM_MEMORY_LIMIT = Gauge("streamzip_stream_memory_limit_bytes", "Memory that they may hold.")

# -- background work
QUEUE_RUNNING = Gauge("streamzip_queue_running", "Rows of a queue that are worked on.", ("queue",))
QUEUE_WAITING = Gauge("streamzip_queue_waiting", "Rows of a queue that wait, by reason.", ("queue", "reason"))
DELIVERIES = Counter("streamzip_deliveries_total", "Attempts to deliver webhooks.", ("outcome",))

# -- processes
LOG_EVENTS = Counter("streamzip_log_events_total", "Lines of the log at warning and error.", ("level", "event"))
LAG = Histogram("streamzip_event_loop_lag_seconds", "How late a process's event loop is.", buckets=_LAGS)
WORKERS = Gauge("streamzip_workers", "Processes that answer clients, or do background work.", ("kind",))
OPEN_FILES = Gauge("streamzip_open_files", "Files and sockets that the processes have open.")
OPEN_FILES_LIMIT = Gauge("streamzip_open_files_limit", "Files and sockets that they may have open.")
MEMORY = Gauge("streamzip_resident_bytes", "Memory of the processes.")
CPU = Counter("streamzip_cpu_seconds_total", "CPU time of the processes.")
STARTS = Counter("streamzip_worker_starts_total", "Processes that began, those of the background too.")
BUILD = Gauge("streamzip_build_info", "1 for the version that runs.", ("version",), over="latest")
