"""Write the parts of the documentation that repeat the code, so that they can never disagree with it.

``python -m scripts.build_docs`` fills the marked blocks of docs/settings.md, docs/errors.md, docs/events.md,
docs/API_REFERENCE.md and docs/BUILD_VARIANTS.md; ``--check`` only says whether they are current (status 1 when not). A block begins with
``<!-- generated: NAME -->`` and ends with ``<!-- end -->``; what stands outside is written by people.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts.docs.endpoints import endpoints_block
from scripts.docs.images import cuda_block, nodes_block, sizes_block
from scripts.docs.tables import errors_block, events_block, preferences_block, settings_block

DOCS = Path(__file__).parent.parent / "docs"
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

BLOCKS: Mapping[str, Callable[[], str]] = {
    "settings": settings_block,
    "preferences": preferences_block,
    "errors": errors_block,
    "events": events_block,
    "endpoints": endpoints_block,
    "cuda": cuda_block,
    "nodes": nodes_block,
    "sizes": sizes_block,
}


def render(text: str) -> str:
    """Return *text* with every marked block filled anew.

    Raises:
        KeyError: A block has a name that nobody fills.
    """
    return _BLOCK.sub(lambda match: f"{match[1]}{BLOCKS[match[2]]()}\n{match[3]}", text)


def outdated(docs: Path = DOCS) -> list[Path]:
    """List the documents whose blocks no longer say what the code says."""
    return [path for path in sorted(docs.rglob("*.md")) if render(path.read_text("utf-8")) != path.read_text("utf-8")]


def main() -> int:
    """Fill the blocks, or check them."""
    parser = argparse.ArgumentParser(description="Fill the generated parts of the documentation.")
    parser.add_argument("--check", action="store_true", help="only say what is outdated")
    arguments = parser.parse_args()
    stale = outdated()
    for path in stale:
        if arguments.check:
            print(f"{path.name} is outdated; run python -m scripts.build_docs", file=sys.stderr)
        else:
            path.write_text(render(path.read_text("utf-8")), "utf-8")
            print(f"wrote {path.name}")
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
