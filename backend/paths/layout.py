"""Every folder with models, found from one workspace, and the file that tells ComfyUI about them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from backend.logs import get_logger
from backend.paths import document, fence
from backend.paths.categories import CATEGORIES
from backend.paths.detection import PROBES, can_be_listed, detect_roots, distinct, folders_in
from backend.paths.errors import InvalidModelPaths, PathError
from backend.paths.reader import add_sections
from backend.paths.workspace import default_roots, prepare

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What one look found; replaced as a whole, so that readers in other threads never see half of it."""

    roots: tuple[Path, ...]
    search: Mapping[str, Sequence[str]]
    content: bytes
    problems: tuple[str, ...]


class ModelPaths:
    """Know the model folders as ComfyUI sees them; safe to use from several threads.

    Building one looks at the disk and changes nothing; :meth:`open` also makes folders and writes the file.

    Args:
        extra: Further folders with models, named by the user.
        probes: Places where volumes are usually mounted.
    """

    categories = CATEGORIES

    def __init__(self, workspace: Path, extra: Sequence[str], *, probes: Sequence[Path] = PROBES) -> None:
        self._workspace = Path(os.path.abspath(workspace))  # noqa: PTH100 -- keeps links, ComfyUI compares text
        self._extra = tuple(extra)
        self._probes = tuple(probes)
        self.extra_model_paths = self._workspace / "ComfyUI" / "extra_model_paths.yaml"
        self._layout = self._look()

    @classmethod
    def open(cls, workspace: Path, extra: Sequence[str], *, probes: Sequence[Path] = PROBES) -> Self:
        """Make the folders of *workspace*, look for mounts and write extra_model_paths.yaml; blocking.

        Raises:
            OSError: The folders of the workspace cannot be made.
        """
        prepare(workspace)
        paths = cls(workspace, extra, probes=probes)
        paths.refresh()
        return paths

    @property
    def problems(self) -> tuple[str, ...]:
        """What kept a part out of extra_model_paths.yaml, or kept the file from being written; one sentence each."""
        return self._layout.problems

    def roots(self) -> tuple[Path, ...]:
        """Return every folder under which models are looked for, the one for downloads first."""
        return self._layout.roots

    def folder(self, category: str) -> Path:
        """Return where downloads of *category* go.

        Raises:
            UnknownCategory: ComfyUI has no such category.
            UnsafePath: It is no plain name.
        """
        found, below = fence.split_directory(category)
        return self.roots()[0].joinpath(found.name, *below)

    def destination(self, directory: str, name: str) -> Path:
        """Return where the file *name* belongs; blocking (follows links), makes nothing.

        Args:
            directory: A category, also by its legacy name, and folders below it: ``loras/wan``.
        Raises:
            UnknownCategory: It names no category.
            UnsafePath: A part is no plain name, or a link leads out of the model folders.
        """
        category, below = fence.split_directory(directory)
        for new in (*below, name):
            fence.check_new_name(new)
        home = self.roots()[0] / category.name
        folder = home.joinpath(*below)
        fence.check_inside(home, folder, self.roots()[0])
        return folder / name

    def folders(self, directory: str) -> tuple[Path, ...]:
        """Return every folder that :meth:`find` looks into for *directory*, in its order; none for an unknown category."""
        try:
            category, below = fence.split_directory(directory)
        except PathError:
            return ()
        return tuple(Path(folder).joinpath(*below) for folder in self._layout.search[category.name])

    def find(self, directory: str, name: str) -> Path | None:
        """Return the file that ComfyUI would load by this name, or None; blocking (a stat per folder).

        Names that :meth:`destination` refuses are found nowhere.
        """
        try:
            fence.check_name(name)
        except PathError:
            return None
        candidates = (folder / name for folder in self.folders(directory))
        return next((path for path in candidates if path.is_file()), None)

    def refresh(self) -> bool:
        """Look again and bring extra_model_paths.yaml up to date; true when it was written; blocking, and cheap.

        A file that cannot be written is told by :attr:`problems` and tried again next time.
        """
        before = self._layout.problems
        written = False
        layout = self._look()
        try:
            document.adopt(self.extra_model_paths)
            written = document.write(self.extra_model_paths, layout.content)
        except OSError as error:
            problem = f"{self.extra_model_paths} cannot be written: {error.strerror or error}."
            layout = _Layout(layout.roots, layout.search, layout.content, (*layout.problems, problem))
        self._layout = layout
        if layout.problems != before or written:
            log.info("model_paths", roots=[str(root) for root in layout.roots], problems=list(layout.problems))
        return written

    def difference(self) -> str | None:
        """Say in one sentence how extra_model_paths.yaml differs from what it should be, or None; blocking."""
        try:
            content = self.extra_model_paths.read_bytes()
        except FileNotFoundError:
            return f"{self.extra_model_paths} has not been written."
        except OSError as error:
            return f"{self.extra_model_paths} cannot be read: {error.strerror or error}."
        if document.is_foreign(self.extra_model_paths):
            return f"{self.extra_model_paths} was edited by hand; its sections will be kept."
        if content != self._look().content:
            return f"{self.extra_model_paths} does not name the folders of today."
        return None

    def _look(self) -> _Layout:
        own_roots = [root for root in default_roots(self._workspace) if root.is_dir()]
        default = own_roots[:1] or default_roots(self._workspace)[:1]
        roots = distinct([*default, *own_roots, *detect_roots(self._extra, self._probes)])
        own = {
            f"{document.OWN_PREFIX}{'' if index == 0 else f'_{index + 1}'}": _section(root, default=index == 0)
            for index, root in enumerate(root for root in roots if can_be_listed(root))
        }
        users, problems = document.user_sections(self.extra_model_paths)
        try:
            content = document.render(own, users)
        except InvalidModelPaths as error:
            users.clear()
            problems = (*problems, error.message)
            content = document.render(own, users)
        search = add_sections({**own, **users}, self.extra_model_paths.parent, {})
        for category in CATEGORIES:
            home = str(roots[0] / category.name)
            if home not in (folders := search.setdefault(category.name, [])):
                folders.append(home)
        return _Layout(tuple(roots), search, content, problems)


def _section(root: Path, *, default: bool) -> dict[str, str | bool]:
    """Name the folders of *root* by full path: ComfyUI expands ``$`` and ``~`` in a base_path, but not in these lines."""
    section: dict[str, str | bool] = {"is_default": True} if default else {}
    for category, folders in folders_in(root).items():
        # ComfyUI puts each line of a default section in front of the one before.
        ordered = reversed(folders) if default else folders
        section[category] = "\n".join(str(root / folder) for folder in ordered)
    return section
