"""Extract facts from ComfyUI's official workflow templates (PyPI ``comfyui-workflow-templates-json``, MIT).

A node names the files it needs in ``properties.models``, also inside subgraph definitions. Notes beside the nodes link
the same files with their sizes, as in ``[name](url) (4.59 GB)``. What they call GB is 2^30 bytes: the template of that
one file stands in the index with 4,939,212,390. Where a note speaks the index is not asked; its totals are often stale.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path

from backend.errors import JSON
from scripts.catalog.facts import Facts, FileFact, TemplateFact

PACKAGE = "comfyui_workflow_templates_json"
INSTALLED = "installed"
_DISTRIBUTION = "comfyui-workflow-templates-json"
_HOST_PREFIX = "api_"  # templates of paid partner nodes: they need no files
_UNITS = {"GB": 1 << 30, "MB": 1 << 20}
_SIZED_LINK = re.compile(r"\]\((?P<url>https?://[^)\s]+)\)\s*\((?P<number>\d+(?:\.\d+)?)\s*(?P<unit>GB|MB)\)")


class NoTemplates(Exception):
    """The place that was given holds no workflow templates."""


@dataclass(slots=True)
class _Findings:
    """What was met so far; how often each address was named for a place decides between mirrors."""

    templates: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    addresses: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter[str]))
    checksums: dict[str, str] = field(default_factory=dict[str, str])
    sizes: dict[str, int] = field(default_factory=dict[str, int])


def extract(place: str) -> Facts:
    """Read all templates of the installed package, a wheel, or a folder; blocking.

    Raises:
        NoTemplates: There are none; the message says what to do.
    """
    folder, source = _open(place)
    index = json.loads((folder / "index.json").read_text("utf-8"))
    entries = {entry["name"]: entry for group in index for entry in group["templates"]}
    findings = _Findings()
    for name in sorted(entries):
        if not name.startswith(_HOST_PREFIX):
            _read_workflow(name, json.loads((folder / f"{name}.json").read_text("utf-8")), findings)
    return Facts(
        source=source,
        files={key: _file_fact(key, findings, entries) for key in sorted(findings.addresses)},
        templates={
            name: TemplateFact(title=entries[name]["title"], files=tuple(sorted(files)))
            for name, files in findings.templates.items()
        },
    )


def _open(place: str) -> tuple[Traversable, str]:
    if place == INSTALLED:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise NoTemplates(f"{_DISTRIBUTION} is not installed; install it or give the path of its wheel.")
        folder = Path(spec.submodule_search_locations[0]) / "templates"
        return folder, _source(importlib.metadata.version(_DISTRIBUTION))
    path = Path(place)
    if path.suffix == ".whl":
        return zipfile.Path(path, f"{PACKAGE}/templates/"), _source(path.name.split("-")[1])
    if not (path / "index.json").is_file():
        raise NoTemplates(f"{path} holds no index.json; give a wheel of {_DISTRIBUTION} or a folder of templates.")
    return path, f"workflow templates in the folder {path.name}"


def _source(version: str) -> str:
    return f"PyPI {_DISTRIBUTION} {version}, MIT"


def _read_workflow(name: str, workflow: JSON, findings: _Findings) -> None:
    files: set[str] = set()
    for node in _nodes(workflow):
        for model in _models(node):
            url = _plain_address(model["url"])
            key = f"{model['directory']}/{model['name']}"
            files.add(key)
            findings.addresses[key][url] += 1
            if model.get("hash_type", "").upper() == "SHA256":
                findings.checksums[url] = model["hash"].lower()
        for text in _notes(node):
            for link in _SIZED_LINK.finditer(text):
                size = round(float(link["number"]) * _UNITS[link["unit"]])
                findings.sizes.setdefault(_plain_address(link["url"]), size)
    if files:
        findings.templates[name] = files


def _nodes(value: JSON) -> Iterator[dict[str, JSON]]:
    """Walk a workflow to any depth; subgraph definitions may hold subgraphs."""
    if isinstance(value, dict):
        if "type" in value and "properties" in value:
            yield value
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child)


def _models(node: dict[str, JSON]) -> Iterator[dict[str, str]]:
    properties = node["properties"]
    models = properties.get("models") if isinstance(properties, dict) else None
    for model in models if isinstance(models, list) else ():
        if isinstance(model, dict):
            texts = {key: value for key, value in model.items() if isinstance(value, str)}
            if texts.get("name") and texts.get("directory") and texts.get("url", "").startswith("https://"):
                yield texts


def _notes(node: dict[str, JSON]) -> Iterator[str]:
    values = node.get("widgets_values")
    if node["type"] in ("MarkdownNote", "Note") and isinstance(values, list):
        yield from (value for value in values if isinstance(value, str))


def _plain_address(url: str) -> str:
    """Drop ``?download=true`` and lead from the web page about a file to the file."""
    return url.partition("?")[0].replace("/blob/", "/resolve/")


def _file_fact(key: str, findings: _Findings, entries: dict[str, dict[str, JSON]]) -> FileFact:
    """Choose one address of a place, so that no two presets disagree about it.

    A known checksum wins, then the file's own name at the end, then what most templates name.
    """
    name = key.rpartition("/")[2]

    def rank(item: tuple[str, int]) -> tuple[bool, bool, int, str]:
        url, count = item
        return (url not in findings.checksums, not url.endswith(f"/{name}"), -count, url)

    addresses = findings.addresses[key]
    url = min(addresses.items(), key=rank)[0]
    size = findings.sizes.get(url) or next(
        (findings.sizes[mirror] for mirror in sorted(addresses) if mirror in findings.sizes), None
    )
    return FileFact(
        url=url,
        size_estimate_bytes=size or _only_file_size(key, findings, entries),
        sha256=findings.checksums.get(url),
    )


def _only_file_size(key: str, findings: _Findings, entries: dict[str, dict[str, JSON]]) -> int | None:
    """Return the index's total of a template that needs nothing but this file."""
    for name, files in findings.templates.items():
        size = entries[name].get("size")
        if files == {key} and isinstance(size, int) and size > 0:
            return size
    return None
