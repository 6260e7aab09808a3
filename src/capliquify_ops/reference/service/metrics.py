"""Metrics: counters, histograms and gauges of one worker in a mapped file; a scrape adds up the files of all workers.

A write is a few stores into memory that the kernel keeps when the worker dies, so totals never go backwards. Gauges
count only while their worker lives.
"""

import bisect
import math
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

_RECORD_BYTES = 256
_RECORDS = 8192
_VALUE = struct.Struct("<d")
_KEY_BYTES = _RECORD_BYTES - _VALUE.size
BUCKETS_S = (
    0.0005,
    0.001,
    0.002,
    0.003,
    0.005,
    0.0075,
    0.01,
    0.015,
    0.02,
    0.03,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""Upper bounds in seconds: from 0.5 ms, and each limit of the latency baseline is one of them."""

HELP = {
    "http_requests_total": ("counter", "Requests answered, by method, route template and status."),
    "http_request_duration_seconds": ("histogram", "Time from the request's head to the response's end."),
    "middleware_latency_seconds": (
        "histogram",
        "Time spent in each step before the route's own work; what a read reads comes with its tenant_resolution.",
    ),
    "database_query_duration_seconds": ("histogram", "Time a worker waited for the database, by kind of query."),
    "database_connections_active": ("gauge", "Pool connections in use."),
    "database_connections_idle": ("gauge", "Pool connections free."),
    "database_connections_waiting": ("gauge", "Requests waiting for a connection."),
    "clerk_session_verifications_total": ("counter", "Session tokens verified, by result."),
    "audit_failures_total": ("counter", "Refused attempts that could not be written into the audit log."),
    "process_resident_memory_bytes": ("gauge", "Resident memory of all workers."),
    "process_cpu_seconds_total": ("counter", "CPU time of all living workers."),
}


class Series:
    """Labelled values of one worker. `labels` is the text between the braces, such as 'method="GET"'."""

    def __init__(self, folder: Path, process: int) -> None:
        with (folder / f"metrics-{process}.bin").open("w+b") as file:
            file.truncate(_RECORDS * _RECORD_BYTES)
            self._memory = mmap.mmap(file.fileno(), _RECORDS * _RECORD_BYTES)
        self._offsets: dict[str, int] = {}
        self._histograms: dict[tuple[str, str], list[int]] = {}

    def close(self) -> None:
        """Lets go of the mapped file; its totals stay for the next scrape."""
        self._memory.close()

    def count(self, name: str, labels: str = "", by: float = 1.0) -> None:
        """Adds to a counter."""
        self._add(self._offset(f"{name}|{labels}"), by)

    def gauge(self, name: str, value: float) -> None:
        """Sets a gauge."""
        _VALUE.pack_into(self._memory, self._offset(f"{name}|"), value)

    def observe(self, name: str, labels: str, seconds: float) -> None:
        """Adds one observation to a histogram."""
        offsets = self._histograms.get((name, labels))
        if offsets is None:
            offsets = self._histograms[name, labels] = self._histogram(name, labels)
        self._add(offsets[bisect.bisect_left(BUCKETS_S, seconds)], 1.0)
        self._add(offsets[-1], seconds)

    def _histogram(self, name: str, labels: str) -> list[int]:
        separator = "," if labels else ""
        bounds = [*(f"{bound:g}" for bound in BUCKETS_S), "+Inf"]
        keys = [f'{name}_bucket|{labels}{separator}le="{bound}"' for bound in bounds]
        return [self._offset(key) for key in (*keys, f"{name}_sum|{labels}")]

    def _add(self, offset: int, by: float) -> None:
        value: float = _VALUE.unpack_from(self._memory, offset)[0]
        _VALUE.pack_into(self._memory, offset, value + by)

    def _offset(self, key: str) -> int:
        offset = self._offsets.get(key)
        if offset is None:
            offset = self._offsets[key] = self._allocate(key.encode())
        return offset

    def _allocate(self, key: bytes) -> int:
        offset = len(self._offsets) * _RECORD_BYTES
        if len(key) > _KEY_BYTES or offset >= len(self._memory):
            raise ValueError("a metric has a label too long or too many values; labels are route templates, never raw paths")
        self._memory[offset + _VALUE.size : offset + _VALUE.size + len(key)] = key
        return offset


def exposition(folder: Path) -> str:
    """The Prometheus text of all workers together."""
    families: dict[str, dict[tuple[str, str], float]] = {name: {} for name in HELP}
    for path in sorted(folder.glob("metrics-*.bin")):
        process = int(path.stem.removeprefix("metrics-"))
        resources = _resources(process)
        for name, labels, value in (*_records(path), *resources):
            family = _family(name)
            if HELP[family][0] != "gauge" or resources:
                sample = families[family]
                sample[name, labels] = sample.get((name, labels), 0.0) + value
    return "".join(_lines(name, sample) for name, sample in families.items())


def _family(name: str) -> str:
    return name if name in HELP else name.rpartition("_")[0]


def _records(path: Path) -> Iterator[tuple[str, str, float]]:
    with path.open("rb") as file:
        while (record := file.read(_RECORD_BYTES)) and (key := record[_VALUE.size :].rstrip(b"\0")):
            name, _, labels = key.decode().partition("|")
            yield name, labels, _VALUE.unpack_from(record)[0]


def _lines(family: str, sample: dict[tuple[str, str], float]) -> str:
    kind, text = HELP[family]
    out = [f"# HELP {family} {text}\n# TYPE {family} {kind}\n"]
    if kind == "histogram":
        sample = _cumulative(family, sample)
    for (name, labels), value in sample.items():
        braces = f"{{{labels}}}" if labels else ""
        out.append(f"{name}{braces} {value:.17g}\n")
    return "".join(out)


def _cumulative(family: str, sample: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    out: dict[tuple[str, str], float] = {}
    for (name, labels), total in sample.items():
        if name != f"{family}_sum":
            continue
        running, separator = 0.0, "," if labels else ""
        for bound in (*BUCKETS_S, math.inf):
            key = (f"{family}_bucket", f'{labels}{separator}le="{"+Inf" if bound == math.inf else f"{bound:g}"}"')
            running += sample.get(key, 0.0)
            out[key] = running
        out[name, labels] = total
        out[f"{family}_count", labels] = running
    return out


def _resources(process: int) -> list[tuple[str, str, float]]:
    """Memory and CPU time of a living process as Linux accounts for them; empty when it has ended."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []
    memory = int(status[21]) * os.sysconf("SC_PAGE_SIZE")
    cpu_s = (int(status[11]) + int(status[12])) / os.sysconf("SC_CLK_TCK")
    return [("process_resident_memory_bytes", "", memory), ("process_cpu_seconds_total", "", cpu_s)]
