"""Measure the ways to give a volume its ComfyUI: ``python scripts/profile_sync.py --help``.

Every way is run for real, on the volume that is named: rsync, a plain copy, hard links, symbolic links, a bind mount, and
the thin layer that Hearth makes. Network volumes answer each operation on a file later than a local disk does; with strace
at hand, the same commands are run again on a part of the files while every operation that changes the volume is held up,
and the result is carried over to all files.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# What a network file system asks its server for when a tree is written; reading and writing contents come on top.
_CHANGES = (
    "mkdir,mkdirat,symlink,symlinkat,link,linkat,rename,renameat,renameat2,unlink,unlinkat,chmod,fchmod,fchmodat,"
    "chown,fchown,lchown,fchownat,utimensat,ftruncate,fsync"
)
_THIN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from backend.volume import Places, User, Wishes, prepare
import os
places = Places(workspace=Path(sys.argv[2]) / "workspace", run=Path(sys.argv[2]) / "run", root=Path(sys.argv[2]) / "none",
                opt=Path(sys.argv[1]))
prepare(places, User(os.getuid(), os.getgid(), "measured"), Wishes(), ())
"""


@dataclass(frozen=True)
class Way:
    """One way to bring *source* to *target*; ``command`` is what runs."""

    name: str
    needs: str
    command: Callable[[Path, Path], list[str]]
    after: Callable[[Path], list[str]] | None = None


@dataclass
class Measured:
    """Seconds of wall clock, the least of the runs; bytes and inodes that the volume then holds."""

    name: str
    seconds: float | None = None
    bytes: int = 0
    inodes: int = 0
    problem: str = ""
    with_latency_s: dict[str, float] = field(default_factory=dict[str, float])


def _thin(source: Path, target: Path) -> list[str]:
    return [sys.executable, "-S", "-c", _THIN, str(source), str(target), str(Path(__file__).resolve().parent.parent)]


WAYS = (
    Way("rsync -a", "rsync", lambda source, target: ["rsync", "-a", f"{source}/", f"{target}/"]),
    Way("cp -a", "cp", lambda source, target: ["cp", "-a", f"{source}/.", f"{target}/"]),
    Way("hard links", "cp", lambda source, target: ["cp", "-al", f"{source}/.", f"{target}/"]),
    Way("symbolic links", "cp", lambda source, target: ["cp", "-as", f"{source}/.", f"{target}/"]),
    Way(
        "bind mount",
        "mount",
        lambda source, target: ["mount", "--bind", str(source), str(target)],
        lambda target: ["umount", str(target)],
    ),
    Way("thin layer", "cp", _thin),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the table, the plot and the figures; 0 when at least one way worked."""
    chosen = _parser().parse_args(arguments)
    latencies = [float(each) for each in chosen.latency_ms.split(",") if each]
    with _tree(chosen.source) as source, tempfile.TemporaryDirectory(dir=chosen.volume, prefix="profile-") as folder:
        files, size = _extent(source)
        print(f"{files} files and folders, {size / 1e6:.0f} MB, onto {chosen.volume}", file=sys.stderr)
        measured = [_measure(way, source, Path(folder), chosen.runs) for way in WAYS]
        if latencies and shutil.which("strace"):
            with _part(source, chosen.part, folder) as part:
                share = _extent(part)[0] / files
                for way, one in zip(WAYS, measured, strict=True):
                    if one.seconds is not None:
                        one.with_latency_s = _held_up(way, part, Path(folder), latencies, one.seconds, share)
    report = _table(measured, files, size, latencies)
    print(report)
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "volume_strategies.md").write_text(report)
        (chosen.out / "volume_strategies.json").write_text(json.dumps([asdict(one) for one in measured], indent=1))
        _plot(measured, latencies, chosen.out / "volume_strategies.svg")
    return 0 if any(one.seconds is not None for one in measured) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Measure the ways to give a volume its ComfyUI.")
    parser.add_argument("--volume", type=Path, default=Path(tempfile.gettempdir()), help="a folder on the volume")
    parser.add_argument(
        "--source", type=Path, help="a folder like /opt of the image, with venv/ and ComfyUI/; default: a made-up tree"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each way; the best counts")
    parser.add_argument("--latency-ms", default="", help="comma list: how long a slow volume takes for each operation")
    parser.add_argument("--part", type=int, default=500, help="files on which latency is tried")
    parser.add_argument("--out", type=Path, help="folder for table, figures and plot")
    return parser


@contextmanager
def _tree(given: Path | None) -> Generator[Path]:
    """Yield *given*, or a tree of the shape of a small environment: 2,000 files of 1 to 64 KiB."""
    if given is not None:
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="profile-source-") as folder:
        for number in range(2000):
            path = Path(folder) / "venv" / "lib" / f"package{number % 100}" / f"module{number}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"#" * (1024 << number % 7))
        (Path(folder) / "ComfyUI").mkdir()
        yield Path(folder)


@contextmanager
def _part(source: Path, files: int, near: str) -> Generator[Path]:
    """Yield a folder with the first *files* files of *source*."""
    with tempfile.TemporaryDirectory(dir=near, prefix="part-") as folder:
        for path in sorted(source.rglob("*"))[: files * 2]:
            if path.is_file() and not path.is_symlink():
                target = Path(folder) / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                files -= 1
            if files == 0:
                break
        yield Path(folder)


def _measure(way: Way, source: Path, volume: Path, runs: int) -> Measured:
    measured = Measured(way.name)
    if shutil.which(way.needs) is None:
        measured.problem = f"{way.needs} is not installed"
        return measured
    for _ in range(runs):
        target = volume / "target"
        target.mkdir()
        try:
            seconds = _timed(way.command(source, target), volume)
        except subprocess.CalledProcessError as error:
            measured.problem = error.stderr.decode(errors="replace").strip().splitlines()[-1][-120:]
            shutil.rmtree(target)
            break
        measured.seconds = min(seconds, measured.seconds or seconds)
        if way.after is None:
            measured.inodes, measured.bytes = _held(target, linked=way.name == "hard links")
        _clear(way, target)
    return measured


def _held_up(
    way: Way, part: Path, volume: Path, latencies: Sequence[float], seconds: float, share: float
) -> dict[str, float]:
    """Return seconds for all files by latency: the time of the real run, and what the held-up part took longer, carried over.

    Args:
        share: Of all files that the part holds. What does not grow with the files counts as it is.
    """
    scale = 1 if way.name in ("bind mount", "thin layer") else 1 / share
    found: dict[str, float] = {}
    plain = _once(way, part, volume, [])
    for latency in latencies:
        slow = _once(way, part, volume, ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={_CHANGES}", "-e",
                                         f"inject={_CHANGES}:delay_exit={round(latency * 1000)}"])  # fmt: skip
        traced = _once(way, part, volume, ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={_CHANGES}"])
        found[f"{latency:g}"] = seconds + max(0.0, slow - max(plain, traced)) * scale
    return found


def _once(way: Way, source: Path, volume: Path, before: list[str]) -> float:
    target = volume / "target"
    target.mkdir()
    seconds = _timed([*before, *way.command(source, target)], volume)
    _clear(way, target)
    return seconds


def _timed(command: list[str], volume: Path) -> float:
    """Return the seconds until the volume holds what *command* wrote, through a power cut too."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    subprocess.run(["sync", "-f", str(volume)], check=True)
    return time.perf_counter() - began


def _clear(way: Way, target: Path) -> None:
    if way.after is not None:
        subprocess.run(way.after(target), check=True, capture_output=True)
    shutil.rmtree(target)


def _extent(folder: Path) -> tuple[int, int]:
    paths = list(folder.rglob("*"))
    return len(paths), sum(path.lstat().st_size for path in paths if path.is_file() and not path.is_symlink())


def _held(folder: Path, *, linked: bool) -> tuple[int, int]:
    """Return how many inodes and bytes *folder* has of its own; hard links share both with their source."""
    paths = [path for path in folder.rglob("*") if not (linked and path.is_file() and not path.is_symlink())]
    return len(paths), sum(path.lstat().st_blocks * 512 for path in paths)


def _table(measured: Sequence[Measured], files: int, size: int, latencies: Sequence[float]) -> str:
    heads = [
        "Way",
        "Seconds",
        "MB on the volume",
        "Inodes",
        *(f"+{each:g} ms for each operation" for each in latencies),
    ]
    lines = [
        f"{files} files and folders, {size / 1e6:.0f} MB.",
        "",
        "| " + " | ".join(heads) + " |",
        "|---" * len(heads) + "|",
    ]
    for one in measured:
        if one.seconds is None:
            cells = [one.name, f"not possible: {one.problem}", *["–"] * (len(heads) - 2)]
        else:
            slow = [f"{one.with_latency_s[f'{each:g}']:.2f} s" if one.with_latency_s else "–" for each in latencies]
            cells = [one.name, f"{one.seconds:.3f}", f"{one.bytes / 1e6:.2f}", str(one.inodes), *slow]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _plot(measured: Sequence[Measured], latencies: Sequence[float], path: Path) -> None:
    import pygal  # only who wants a plot needs it

    # It has no types of its own.
    new_chart = cast("Callable[..., Any]", pygal.HorizontalBar)
    chart = new_chart(
        logarithmic=True, title="Seconds until a volume is ready", x_title="seconds, logarithmic", no_prefix=True, js=()
    )
    for one in measured:
        if one.seconds is not None:
            chart.add(one.name, [one.seconds, *(one.with_latency_s.get(f"{each:g}") for each in latencies)])
    chart.x_labels = ["as measured", *(f"+{each:g} ms" for each in latencies)]
    path.write_text(chart.render(is_unicode=True, disable_xml_declaration=True))


if __name__ == "__main__":
    raise SystemExit(main())
