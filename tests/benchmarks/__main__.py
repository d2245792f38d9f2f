"""``make bench``: measure everything, or only what is named; ``python -m tests.benchmarks startup api``."""

from __future__ import annotations

import importlib
import sys

from tests.benchmarks.figures import Figure, save, show

_ALL = ("startup", "api", "transfer", "progress", "memory", "generation")


def main() -> int:
    """Measure, show, save; status 1 when a target was missed."""
    figures: list[Figure] = []
    for name in sys.argv[1:] or _ALL:
        module = importlib.import_module(f"tests.benchmarks.{name}")
        print(f"\n{(module.__doc__ or name).splitlines()[0]}", flush=True)
        measured = module.measure()
        show(measured)
        figures += measured
    print(f"\nwritten to {save(figures, 'benchmarks.json')}")
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
