"""An origin in a process of its own, so that its processor time is not counted as the client's.

``python -m tests.benchmarks.origin SIZE [--tls] [--rate BYTES_PER_S]`` prints one JSON line and serves until its standard
input is closed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.figures import ROOT
from tests.fakes.model_host import Content, ModelHost, Slow


@contextlib.contextmanager
def origin(size: int, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run an origin for as long as the context lasts; its facts are ``url``, ``sha256``, ``size`` and ``cafile``."""
    command = [sys.executable, "-m", "tests.benchmarks.origin", str(size), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(timeout=20)


def main() -> None:
    """Serve one file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("size", type=int)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--files", type=int, default=1)
    options = parser.parse_args()
    with ModelHost(tls=options.tls) as host:
        contents = [Content.random(options.size, seed=number + 1) for number in range(options.files)]
        for number, content in enumerate(contents):
            host.put(f"/{number}.bin", content, *([Slow(options.rate)] if options.rate else []))
        facts = {
            "url": host.url("/0.bin"),
            "urls": [host.url(f"/{number}.bin") for number in range(options.files)],
            "sha256": contents[0].sha256,
            "size": options.size,
            "cafile": str(host.cafile) if options.tls else None,
        }
        print(json.dumps(facts), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
