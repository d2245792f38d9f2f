"""What ComfyUI does with custom nodes while it starts, in the words of its log."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
import time
import traceback
from pathlib import Path

import yaml

_log = logging.getLogger("comfyui")


def search_paths_of(args: argparse.Namespace, base: Path) -> list[Path]:
    """Read the extra paths, and return the folders of custom nodes in their order."""
    found = [base / "custom_nodes"]
    for name in [
        str(base / "extra_model_paths.yaml"),
        *(each for group in args.extra_model_paths_config for each in group),
    ]:
        if Path(name).is_file():
            _read(Path(name), found)
    return found


async def load_custom_nodes(args: argparse.Namespace, folders: list[Path]) -> None:
    """Import every custom node, and say how long each took and which failed."""
    if args.disable_all_custom_nodes and not args.whitelist_custom_nodes:
        _log.info("Skipping loading of custom nodes")
        return
    times: list[tuple[float, str, bool]] = []
    for folder in folders:
        for name in sorted(os.listdir(folder.resolve())) if folder.is_dir() else []:
            path = folder / name
            if name == "__pycache__" or name.endswith(".disabled") or (path.is_file() and path.suffix != ".py"):
                continue
            if args.disable_all_custom_nodes and name not in args.whitelist_custom_nodes:
                _log.info("Skipping %s due to disable_all_custom_nodes and whitelist_custom_nodes", name)
                continue
            begin = time.perf_counter()
            works = _import(path)
            times.append((time.perf_counter() - begin, str(path), works))
    if times:
        _log.info("\nImport times for custom nodes:")
        for seconds, name, works in sorted(times):
            _log.info("%6.1f seconds%s: %s", seconds, "" if works else " (IMPORT FAILED)", name)
        _log.info("")


def _read(path: Path, nodes: list[Path]) -> None:
    for section in (yaml.safe_load(path.read_text("utf-8")) or {}).values():
        values = dict(section or {})
        base = Path(os.path.expandvars(os.path.expanduser(values.pop("base_path", path.parent))))
        values.pop("is_default", None)
        for category, lines in values.items():
            for line in filter(None, str(lines).split("\n")):
                full = os.path.normpath(base / line)
                _log.info("Adding extra search path %s %s", category, full)
                if category == "custom_nodes":
                    nodes.append(Path(full))


def _import(path: Path) -> bool:
    name = str(path.with_suffix("")) if path.is_file() else str(path).replace(".", "_x_")
    try:
        spec = importlib.util.spec_from_file_location(name, path if path.is_file() else path / "__init__.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except Exception as error:
        _log.warning(traceback.format_exc())
        _log.warning("Cannot import %s module for custom nodes: %s", path, error)
        return False
    if getattr(module, "NODE_CLASS_MAPPINGS", None) is None and not hasattr(module, "comfy_entrypoint"):
        _log.warning(
            "Skip %s module for custom nodes due to the lack of NODE_CLASS_MAPPINGS or NODES_LIST (need one).", path
        )
        return False
    return True
