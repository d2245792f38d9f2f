"""Generate the preset catalogue in ``config/presets`` from published facts and curated lists.

Run as ``python -m scripts.build_catalog``; ``--check`` fails when the files are not what would be written,
``--templates`` takes over newer workflow templates first, ``--resolve`` asks the hubs for exact sizes and checksums.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from scripts.catalog.catalogue import Catalogue, Unsound, join_inputs, make_catalogue
from scripts.catalog.curated import read_decisions
from scripts.catalog.extract import NoTemplates, extract
from scripts.catalog.facts import read_facts, read_resolved, write_facts, write_resolved
from scripts.catalog.resolve import ask_hubs
from scripts.catalog.tree import differences, write

DATA = Path(__file__).parent / "catalog"
TEMPLATE_FACTS = DATA / "template_facts.json"
OTHER_FACTS = DATA / "other_facts.json"
RESOLVED_FACTS = DATA / "resolved_facts.json"
OUTPUT = Path(__file__).parent.parent / "config" / "presets"


def build() -> Catalogue:
    """Make the catalogue from what lies in the repository; blocking, needs no network.

    Raises:
        Unsound: The lists do not make a catalogue.
    """
    facts, others, resolved = read_facts(TEMPLATE_FACTS), read_facts(OTHER_FACTS), read_resolved(RESOLVED_FACTS)
    return make_catalogue(join_inputs(facts, others, resolved, read_decisions(DATA)))


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parse(arguments)
    try:
        if options.templates:
            write_facts(TEMPLATE_FACTS, extract(options.templates))
        if options.resolve:
            _ask_hubs(build())
        catalogue = build()
    except (Unsound, NoTemplates) as error:
        print(error, file=sys.stderr)
        return 1
    for template in catalogue.uncurated:
        print(f"{template} is in no preset; curate it or name it in left_out.yaml.", file=sys.stderr)
    made = catalogue.tree()
    if not options.check:
        changes = write(options.output, made)
        print("\n".join([*changes, f"{len(catalogue.presets)} presets, {len(changes)} change(s)."]))
        return 0
    found = differences(options.output, made)
    if found:
        print("\n".join([*found, "Run: python -m scripts.build_catalog"]), file=sys.stderr)
    return 1 if found else 0


def _ask_hubs(catalogue: Catalogue) -> None:
    """Add what the hubs answer to the resolved facts; a refusal leaves what was known."""
    urls = {file.url for preset in catalogue.presets for file in preset.files}
    answers, refusals = asyncio.run(ask_hubs(urls, os.environ))
    known = {url: fact for url, fact in read_resolved(RESOLVED_FACTS).items() if url in urls}
    write_resolved(RESOLVED_FACTS, {**known, **answers})
    for url, refusal in refusals.items():
        print(f"{url}: {refusal}", file=sys.stderr)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build_catalog", description="Generate config/presets.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when the catalogue is out of date")
    parser.add_argument("--templates", metavar="PLACE", help="take over templates: 'installed', a wheel or a folder")
    parser.add_argument("--resolve", action="store_true", help="ask the hubs for sizes and checksums")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the catalogue")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
