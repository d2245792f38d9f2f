"""The transfer engine beside curl and aria2c: the same file, the same origin, interleaved in one run.

Hearth is a server that runs already, so what counts of the others is also without the start of their processes: what they
need to tell their version is taken off. The order changes from round to round, because what one leaves in the page cache
the next one has to clear away; the best round of each counts, since other work on the machine only ever adds.

The C bound in processor seconds is what curl needs to receive and write plus what OpenSSL needs to read and hash (sha256sum
of Debian 12 does not use the processor's SHA instructions). It is a yardstick and not the least that is possible: curl writes
16 KiB at a time, and hashing in a second pass reads everything again. On a busy machine the speeds flatter whoever has several
threads, as Hearth has: there the processor seconds tell more.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import Figure, Run, run_child
from tests.benchmarks.origin import origin

_SIZE = 768 << 20
_LIMITED_SIZE = 96 << 20
_LIMITED_RATE = 4e6  # bytes a second that the second origin gives each connection
_ROUNDS = 4
_STARTS = 5

Client = Callable[[dict[str, Any], Path], Run]


def measure() -> list[Figure]:
    """Compare on a fast TLS origin and on one that limits each connection."""
    clients: dict[str, Client] = {"curl": _curl, "hearth": _hearth, "curl, then sha256sum": _curl_then_hash}
    if shutil.which("aria2c"):
        clients["aria2c"] = _aria2c
    with tempfile.TemporaryDirectory(prefix="hearth-bench-") as folder:
        with origin(_SIZE, "--tls") as facts:
            runs = _interleaved(clients, facts, Path(folder))
            hashing = _hash_cost(facts, Path(folder))
            lag_ms = float(json.loads((Path(folder) / "cost").read_text("utf-8"))["lag_ms"])
        with origin(_LIMITED_SIZE, "--rate", str(_LIMITED_RATE)) as facts:
            limited = _interleaved({"curl": _curl, "hearth": _hearth}, facts, Path(folder), rounds=1)
    return [*_fast(runs, hashing, lag_ms), _limited(limited)]


def _fast(runs: dict[str, Run], hashing: Run, lag_ms: float) -> list[Figure]:
    hearth, curl, then = runs["hearth"], runs["curl"], runs["curl, then sha256sum"]
    gigabytes = _SIZE / 1e9
    figures = [
        Figure("verified download, speed", _SIZE / 1e6 / hearth.seconds, "MB/s"),
        Figure("verified download, processor", hearth.cpu_s / gigabytes, "CPU-s/GB"),
        Figure("speed against curl without verification", curl.seconds / hearth.seconds, "x", at_least=0.9),
        Figure("speed against curl, then sha256sum", then.seconds / hearth.seconds, "x", at_least=1.5),
        Figure("processor against the C bound", hearth.cpu_s / (curl.cpu_s + hashing.cpu_s), "x", at_most=1.1),
        Figure("event loop lag while it runs, p99", lag_ms, "ms", at_most=30),
        Figure("memory of the process", hearth.rss_mb, "MiB"),
    ]
    if "aria2c" in runs:
        aria2c = runs["aria2c"]
        figures += [
            Figure("speed against aria2c -x8 with checksum", aria2c.seconds / hearth.seconds, "x", at_least=1.5),
            Figure("processor against aria2c -x8 with checksum", hearth.cpu_s / aria2c.cpu_s, "x", at_most=0.8),
        ]
    return figures


def _limited(runs: dict[str, Run]) -> Figure:
    ratio = runs["curl"].seconds / runs["hearth"].seconds
    return Figure("origin that limits each connection, 8 connections, against curl", ratio, "x", at_least=6.5)


def _interleaved(
    clients: dict[str, Client], facts: dict[str, Any], folder: Path, rounds: int = _ROUNDS
) -> dict[str, Run]:
    runs: dict[str, list[Run]] = {name: [] for name in clients}
    for number in range(rounds):
        names = list(clients)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            target = folder / f"{number}.bin"
            runs[name].append(clients[name](facts, target))
            target.unlink()
    return {name: _best(each) for name, each in runs.items()}


def _best(runs: list[Run]) -> Run:
    return Run(*(min(getattr(run, field) for run in runs) for field in ("seconds", "cpu_s", "rss_mb")))


def _started(command: Sequence[str], *version: str) -> Run:
    """Run a command to its end and return its cost without that of starting the program."""
    run, start = run_child(command), _start_of((command[0], *(version or ("--version",))))
    return Run(run.seconds - start.seconds, run.cpu_s - start.cpu_s, run.rss_mb)


@lru_cache
def _start_of(command: tuple[str, ...]) -> Run:
    return _best([run_child(command) for _ in range(_STARTS)])


def _curl(facts: dict[str, Any], target: Path) -> Run:
    trust = ["--cacert", facts["cafile"]] if facts["cafile"] else []
    return _started(["curl", "-sS", "--fail", *trust, "-o", str(target), facts["url"]])


def _curl_then_hash(facts: dict[str, Any], target: Path) -> Run:
    first = _curl(facts, target)
    second = _started(["sha256sum", str(target)])
    return Run(first.seconds + second.seconds, first.cpu_s + second.cpu_s, first.rss_mb)


def _hash_cost(facts: dict[str, Any], folder: Path) -> Run:
    target = folder / "hashed.bin"
    _curl(facts, target)
    script = "import hashlib, sys; hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256')"
    runs = [_started([sys.executable, "-c", script, str(target)], "-c", "import hashlib") for _ in range(_ROUNDS)]
    target.unlink()
    return _best(runs)


def _aria2c(facts: dict[str, Any], target: Path) -> Run:
    trust = ["--ca-certificate", facts["cafile"]] if facts["cafile"] else ["--check-certificate=false"]
    return _started(
        [
            "aria2c", "-q", "-x8", "-s8", "-k1M", "--file-allocation=falloc", *trust,
            f"--checksum=sha-256={facts['sha256']}", "-d", str(target.parent), "-o", target.name, facts["url"],
        ]
    )  # fmt: skip


def _hearth(facts: dict[str, Any], target: Path) -> Run:
    trust = ["--cafile", facts["cafile"]] if facts["cafile"] else []
    cost_file = target.parent / "cost"
    run = run_child(
        [
            sys.executable, "-m", "tests.benchmarks.fetch_one", facts["url"], str(target), "--sha256", facts["sha256"],
            "--cost-file", str(cost_file), *trust,
        ]
    )  # fmt: skip
    cost = json.loads(cost_file.read_text("utf-8"))
    return Run(cost["seconds"], cost["cpu_s"], run.rss_mb)
