"""Compare a generated tree with the files on disk, and bring them together."""

from __future__ import annotations

from pathlib import Path

from backend.kit.atomic import write_atomic


def differences(folder: Path, made: dict[str, bytes]) -> list[str]:
    """Say in one sentence each how *folder* differs from what was generated; blocking."""
    found: list[str] = []
    for name, content in made.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing.")
        elif path.read_bytes() != content:
            found.append(f"{name} was changed by hand or is out of date.")
    found.extend(f"{name} is not generated." for name in sorted(_present(folder) - made.keys()))
    return sorted(found)


def write(folder: Path, made: dict[str, bytes]) -> list[str]:
    """Make *folder* hold exactly what was generated, and return what had to change; blocking.

    Only JSON files directly in it and one level below are ever removed.
    """
    changes = differences(folder, made)
    for name, content in made.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, content)
    for name in _present(folder) - made.keys():
        (folder / name).unlink()
    return changes


def _present(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for pattern in ("*.json", "*/*.json") for path in folder.glob(pattern)}
