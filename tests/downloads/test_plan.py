"""The disk plan: what fits is decided from numbers, and the numbers are those of the disk."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from backend.downloads.plan import Volumes, Wish, judge, measure

DISK, OTHER = 1, 2


def volumes(free: dict[int, int], files: dict[str, tuple[int, int]]) -> Volumes:
    return Volumes(
        {Path(name): volume for name, (volume, _) in files.items()},
        {Path(name): size for name, (_, size) in files.items()},
        free,
    )


def wish(job_id: str, *names: str, under_way: bool = False) -> Wish:
    return Wish(job_id, tuple((Path(name), None) for name in names), under_way)


def test_what_does_not_fit_is_refused_with_the_numbers() -> None:
    """Need, free, reserve, what those before it take, and how much would have to become free."""
    disk = volumes({DISK: 1000}, {"a": (DISK, 600), "b": (DISK, 300)})
    refused = judge([wish("one", "a"), wish("two", "b")], disk, 150)

    assert list(refused) == ["two"]
    shortage = refused["two"]
    assert (shortage.need_bytes, shortage.free_bytes, shortage.reserve_bytes) == (300, 1000, 150)
    assert (shortage.queued_bytes, shortage.short_bytes) == (600, 50)


def test_a_refused_job_takes_nothing_from_those_behind_it() -> None:
    """A small job goes past a large one that has to wait."""
    disk = volumes({DISK: 100}, {"large": (DISK, 500), "small": (DISK, 100)})
    assert list(judge([wish("one", "large"), wish("two", "small")], disk, 0)) == ["one"]


def test_volumes_are_judged_apart() -> None:
    """A full disk does not hold up a job that writes to another one; a job on both needs room on both."""
    disk = volumes({DISK: 10, OTHER: 1000}, {"a": (OTHER, 900), "b": (DISK, 5), "c": (OTHER, 200)})
    assert list(judge([wish("one", "a"), wish("two", "b", "c")], disk, 0)) == ["two"]


def test_a_shared_file_counts_once() -> None:
    """Two jobs that want one destination need its bytes once."""
    disk = volumes({DISK: 100}, {"shared": (DISK, 80), "own": (DISK, 20)})
    assert judge([wish("one", "shared"), wish("two", "shared", "own")], disk, 0) == {}


def test_what_is_under_way_counts_first_and_is_never_refused() -> None:
    """Running files keep their room even when their job was moved to the end."""
    disk = volumes({DISK: 100}, {"running": (DISK, 90), "new": (DISK, 20)})
    refused = judge([wish("new", "new"), wish("old", "running", under_way=True)], disk, 0)
    assert list(refused) == ["new"]
    assert refused["new"].queued_bytes == 90


def test_what_needs_nothing_fits_a_full_disk() -> None:
    """A file that is all there can be verified without any room."""
    assert judge([wish("one", "there")], volumes({DISK: 0}, {"there": (DISK, 0)}), 500) == {}


@given(st.lists(st.integers(0, 500), max_size=12), st.integers(0, 2000), st.integers(0, 300))
def test_what_is_admitted_always_fits(sizes: list[int], free: int, reserve: int) -> None:
    """The sum of what the plan lets pass never touches the reserve, and no job is refused that would have fitted."""
    files = {f"f{number}": (DISK, size) for number, size in enumerate(sizes)}
    wishes = [wish(name, name) for name in files]
    refused = judge(wishes, volumes({DISK: free}, files), reserve)
    admitted = sum(size for name, (_, size) in files.items() if name not in refused)
    assert admitted <= max(0, free - reserve)
    for shortage in refused.values():
        assert shortage.short_bytes > 0


def test_measuring_counts_what_is_missing(tmp_path: Path) -> None:
    """A whole file needs nothing, a preallocated part only the rest, a missing folder is measured where it will be."""
    (tmp_path / "whole").write_bytes(b"x" * 1000)
    partial = tmp_path / "half.part"
    with partial.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
    names = {"whole": 1000, "half": 1 << 21, "new/folder/none": 500, "unknown": None, "other-size": 10}
    (tmp_path / "other-size").write_bytes(b"x" * 11)
    found = measure([Wish("job", tuple((tmp_path / name, size) for name, size in names.items()), under_way=False)])

    assert {str(path.relative_to(tmp_path)): missing for path, missing in found.missing_bytes.items()} == {
        "whole": 0,
        "half": 1 << 20,
        "new/folder/none": 500,
        "unknown": 0,
        "other-size": 10,
    }
    device = tmp_path.stat().st_dev
    assert set(found.volume_of.values()) == {device}
    space = os.statvfs(tmp_path)
    assert abs(found.free_bytes[device] - space.f_bavail * space.f_frsize) < 1 << 30
