"""The volume is looked at: its kind, its owner, its speed, and what the container's start found out about it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.kit.clock import utc_now
from backend.system.checks import (
    Check,
    CheckState,
    Installation,
    VolumeSpeed,
    container,
    measure_volume,
    owner,
    speed_checks,
)
from backend.system.checks.volume import Mount, mount_of

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - overlay overlay rw
30 22 0:41 / /workspace rw - nfs4 server:/export rw
31 30 8:17 / /workspace/ComfyUI/models rw - ext4 /dev/sdb1 rw
32 22 0:55 / /mnt/with\\040space rw master:2 - fuse.mergerfs pool rw
33 22 8:1 / /workspace-old rw - xfs /dev/sdc rw
"""


@pytest.fixture
def installation(workspace: Path) -> Installation:
    for folder in ("config", "ComfyUI/models"):
        (workspace / folder).mkdir(parents=True)
    manifest = workspace / "manifest.json"
    return Installation(
        workspace, workspace / "config", (), manifest, 0, False, (), 0, (), manifest, run_dir=workspace / "run"
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/workspace/config", Mount("/workspace", "nfs4", "server:/export")),
        ("/workspace/ComfyUI/models/vae", Mount("/workspace/ComfyUI/models", "ext4", "/dev/sdb1")),
        ("/workspace-old", Mount("/workspace-old", "xfs", "/dev/sdc")),
        ("/mnt/with space/x", Mount("/mnt/with space", "fuse.mergerfs", "pool")),
        ("/elsewhere", Mount("/", "overlay", "overlay")),
    ],
)
def test_a_folder_is_found_on_its_mount(tmp_path: Path, path: str, expected: Mount) -> None:
    """The longest mount point above it; a name that only begins alike is another one."""
    (tmp_path / "mountinfo").write_text(MOUNTS)

    assert mount_of(Path(path), tmp_path / "mountinfo") == expected


def test_networks_are_told_from_disks() -> None:
    """By the kind of the file system."""
    network = {
        kind
        for kind in ("nfs4", "cifs", "fuse.juicefs", "9p", "ext4", "fuseblk", "btrfs")
        if Mount("/", kind, "").is_network
    }

    assert network == {"nfs4", "cifs", "fuse.juicefs", "9p"}


def test_the_measurement_ends_in_time_and_leaves_nothing(tmp_path: Path) -> None:
    """Two seconds at most, whatever the volume; all three figures are there."""
    began = time.monotonic()
    speed = measure_volume(tmp_path)

    assert time.monotonic() - began < 4  # two, and what a busy machine adds
    assert speed.files_s
    assert speed.write_bytes_s
    assert speed.read_bytes_s
    assert list(tmp_path.iterdir()) == []


def test_a_volume_that_cannot_be_written_is_not_measured() -> None:
    """It says why instead."""
    speed = measure_volume(Path("/proc"))
    [check] = speed_checks(speed)

    assert speed.files_s is None
    assert check.state is CheckState.WARNING
    assert speed.reason in check.message


def test_slow_volumes_come_with_advice_in_numbers() -> None:
    """How long a copy of an environment, and a model of 10 GiB, would take."""
    small, large = speed_checks(VolumeSpeed(utc_now(), 100.0, 5e6, 20 * 1024**2))

    assert {small.state, large.state} == {CheckState.WARNING}
    assert "7 minutes" in small.message
    assert "USE_NEW_VOLUME_STRATEGY" in small.hint
    assert "512 seconds" in large.message
    assert all(check.state is CheckState.OK for check in speed_checks(VolumeSpeed(utc_now(), 9_000.0, 5e8, 1e9)))


def owned(installation: Installation) -> list[Check]:
    return [finding for check in owner.CHECKS for finding in check(installation)]


def test_a_volume_of_ones_own_is_in_order(installation: Installation) -> None:
    """Nothing to do."""
    [check] = owned(installation)

    assert (check.state, check.fix) == (CheckState.OK, "")


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@needs_root
def test_root_on_somebody_elses_volume_is_told_which_user_to_be(installation: Installation) -> None:
    """In one line, without a recursive chown."""
    os.chown(installation.workspace, 4321, 4322)
    [check] = owned(installation)

    assert check.state is CheckState.WARNING
    assert "PUID=4321 -e PGID=4322" in check.fix
    assert "-R" not in check.fix


@needs_root
def test_folders_that_cannot_be_written_are_named_with_the_line_that_mends_them(
    installation: Installation, run_as: Callable[[int, Installation], list[Check]]
) -> None:
    """Tried as another user."""
    os.chown(installation.workspace, 4321, 4321)
    installation.workspace.chmod(0o755)
    [check] = run_as(4321, installation)

    assert check.state is CheckState.PROBLEM
    assert str(installation.config_dir) in check.message
    assert check.fix.startswith("chown 4321:")
    assert "-R" not in check.fix


@pytest.fixture
def run_as(tmp_path: Path) -> Callable[[int, Installation], list[Check]]:
    """Look at an installation as another user, in this process; file permissions follow the effective id."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and len(folder.parts) > 2:
            folder.chmod(folder.stat().st_mode | 0o055)

    def run(user: int, installation: Installation) -> list[Check]:
        os.setegid(user)
        os.seteuid(user)
        try:
            return owned(installation)
        finally:
            os.seteuid(0)
            os.setegid(0)

    return run


def test_what_the_containers_start_found_is_passed_on(installation: Installation) -> None:
    """Its layout, its warnings with their one-line fix, and packages of another Python; the owner is looked at anew."""
    report = {
        "filesystem": "ext4",
        "layout": {"kind": "legacy"},
        "python": {
            "old": "3.11",
            "new": "3.13",
            "reinstall": [{"name": "timm", "version": "1.0.20"}, {"name": "einops"}],
        },
        "warnings": [
            {"code": "no_hard_links", "message": "No hard links.", "fix": ""},
            {"code": "uid_mismatch", "message": "seen anew"},
        ],
    }
    assert installation.run_dir is not None
    installation.run_dir.mkdir()
    (installation.run_dir / "volume.json").write_text(json.dumps(report))
    [layout, warning, packages] = [finding for check in container.CHECKS for finding in check(installation)]

    assert (layout.state, "older image" in layout.message) == (CheckState.OK, True)
    assert (warning.state, warning.message) == (CheckState.WARNING, "No hard links.")
    assert packages.state is CheckState.WARNING
    assert packages.fix == "/workspace/venv/bin/pip install timm==1.0.20 einops"
    (installation.run_dir / "volume.json").write_text('{"layout": "fresh", "warnings": "none"}')
    assert [check.name for each in container.CHECKS for check in each(installation)] == ["layout"]
