"""Write extra_model_paths.yaml and live with people who write in it too.

Our file carries a first line with a digest of the rest. A file without it, or changed since, was edited by hand: it is kept
beside ours as ``extra_model_paths.user.yaml``, which from then on is the place for one's own sections. Those are copied
into each file that we write, after ours; a section that would stop ComfyUI is left out with a warning, the others stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import yaml

from backend.kit.atomic import write_atomic
from backend.logs import get_logger
from backend.paths.errors import InvalidModelPaths
from backend.paths.reader import Sections, check_section, read_sections

log = get_logger(__name__)

OWN_PREFIX = "hearth"
_MARKER = "# Written by Hearth; put your own sections into extra_model_paths.user.yaml. sha256:"
_USER_NAME = "extra_model_paths.user.yaml"


class _Dumper(yaml.SafeDumper):
    """Write one folder per line, as people do."""


def _as_lines(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar(  # pyright: ignore[reportUnknownMemberType] -- the stubs leave the value open
        "tag:yaml.org,2002:str", text, style=style
    )


_Dumper.add_representer(str, _as_lines)


def render(own: Mapping[str, Mapping[str, str | bool]], users: Sections) -> bytes:
    """Return the content of the file with our sections first.

    Raises:
        InvalidModelPaths: ComfyUI would read something else than was meant, or would not start.
    """
    sections = {**own, **{name: section for name, section in users.items() if name not in own}}
    plain = {name: dict(section) for name, section in sections.items()}
    body = yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)
    if read_sections(body) != sections:
        raise InvalidModelPaths("What ComfyUI would read differs from what was meant.")
    return _marked(body.encode())


def write(path: Path, content: bytes) -> bool:
    """Replace *path* with *content* if it differs; true when it was written; blocking.

    Raises:
        OSError: The folder cannot be written; the old file is unchanged.
    """
    if _read(path) == content:
        return False
    write_atomic(path, content)
    return True


def adopt(path: Path) -> None:
    """Keep a hand-written *path* as the user's file, and an earlier user's file as a numbered ``.bak``; blocking.

    Raises:
        OSError: The folder cannot be written; nothing is lost.
    """
    content = _read(path)
    if content is None or _is_ours(content):
        return
    users = path.with_name(_USER_NAME)
    if (earlier := _read(users)) is not None and earlier != content:
        users.rename(_free_name(users))
    write_atomic(users, content)
    log.warning("extra_model_paths_kept", file=str(users), reason="it was written by hand")


def is_foreign(path: Path) -> bool:
    """Tell whether *path* was written or changed by somebody else; blocking."""
    content = _read(path)
    return content is not None and not _is_ours(content)


def user_sections(path: Path) -> tuple[Sections, tuple[str, ...]]:
    """Return the sections that the user keeps beside *path*, and a sentence for each that would stop ComfyUI; blocking.

    Sections named like ours are left out: they are from an edited file of ours, and made anew.
    """
    try:
        content = _read(path) if is_foreign(path) else _read(path.with_name(_USER_NAME))
        document: object = yaml.safe_load((content or b"").decode())
    except OSError as error:
        return {}, (f"{_USER_NAME} cannot be read: {error.strerror or error}.",)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return {}, (f"{_USER_NAME} is not YAML: {' '.join(str(error).split())}.",)
    if document is not None and not isinstance(document, dict):
        return {}, (f"{_USER_NAME} has no sections.",)
    sections: Sections = {}
    problems: list[str] = []
    for name, section in cast("dict[object, object]", document or {}).items():
        if section is not None and not str(name).startswith(OWN_PREFIX):
            try:
                sections[str(name)] = check_section(str(name), section)
            except InvalidModelPaths as error:
                problems.append(f"{_USER_NAME}: {error.message}")
    return sections, tuple(problems)


def _is_ours(content: bytes) -> bool:
    return content == _marked(content.partition(b"\n")[2])


def _marked(body: bytes) -> bytes:
    return f"{_MARKER}{hashlib.sha256(body).hexdigest()}\n".encode() + body


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _free_name(path: Path) -> Path:
    number = 1
    while (candidate := path.with_name(f"{path.name}.{number}.bak")).exists():
        number += 1
    return candidate
