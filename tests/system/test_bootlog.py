"""What ComfyUI says while it starts becomes facts, and each custom node that failed a card with a cause and a next step."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.system.bootlog import BootLog, NodeFailure, read_boot
from backend.system.bootlog_advice import AdviceKind, advise
from backend.system.logs import Entry, Level

RECORDED = (Path(__file__).parent / "recordings" / "boot_0.3.64.log").read_text("utf-8").splitlines()
_CONTINUES = re.compile(r"[\w.]+(Error|Iteration)\b|The above|During")
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def entries(lines: list[str], *, begin: datetime = NOW) -> list[Entry]:
    """A line each ten milliseconds."""
    spaced = enumerate(line for line in lines if line.strip())
    return [Entry(begin + timedelta(milliseconds=10 * n), Level.INFO, line) for n, line in spaced]


def as_newer(lines: list[str]) -> list[str]:
    """The same start as versions from 0.26 write it: the level before each record, which may span lines."""
    out: list[str] = []
    in_chain = False
    for line in filter(str.strip, lines):
        continues = in_chain or line.startswith((" ", "\t")) or _CONTINUES.match(line)
        in_chain = line.startswith(("The above", "During"))
        level = "WARNING" if line.startswith(("Traceback", "Cannot", "Skip")) else "INFO"
        out.append(line if continues else f"[{level}] {line}")
    return out


def failures(boot: BootLog) -> dict[str, NodeFailure]:
    return {failure.name: failure for failure in boot.failures}


@pytest.mark.parametrize("lines", [RECORDED, as_newer(RECORDED)], ids=["0.3.64", "0.26 and newer"])
def test_every_node_that_failed_has_a_card(lines: list[str]) -> None:
    """With its exception, the missing package, and what to do; no node that works has one."""
    boot = read_boot(entries(lines), pip="/workspace/venv/bin/pip")
    found = failures(boot)

    told = {name: (each.exception, each.advice.kind.value, each.advice.package) for name, each in found.items()}
    assert told == {
        "prestart": ("ModuleNotFoundError", "install", "nothere-pre"),
        "old_api": ("ImportError", "update", "pillow"),
        "raises_value": ("ValueError", "reinstall", ""),
        "cv_node": ("OSError", "library", "libgl1"),
        "relnode": ("ImportError", "install", "aaa-missing"),
        "entry_fails": ("EntryPointError", "look", ""),
        "broken_syntax": ("SyntaxError", "reinstall", ""),
        "no_mappings": ("NoNodes", "look", ""),
        "ComfyUI-Florence2": ("ModuleNotFoundError", "install", "timm"),
        "single_file.py": ("ModuleNotFoundError", "install", "requestsxx"),
        "needs_sub": ("PackageNotFoundError", "install", "insightface"),
    }
    assert found["ComfyUI-Florence2"].advice.command == "/workspace/venv/bin/pip install timm"
    assert found["ComfyUI-Florence2"].message == "No module named 'timm'"
    assert "    import timm.models" in found["ComfyUI-Florence2"].traceback
    assert "aaa_missing" in "\n".join(found["relnode"].traceback)  # the cause is kept
    assert found["prestart"].stage == "prestartup"
    assert all(each.advice.text for each in boot.failures)


@pytest.mark.parametrize("lines", [RECORDED, as_newer(RECORDED)], ids=["0.3.64", "0.26 and newer"])
def test_the_start_itself_is_told(lines: list[str]) -> None:
    """Versions, device, the time of each node pack, and the moments of the way."""
    boot = read_boot(entries(lines))

    assert (boot.version, boot.python, boot.torch, boot.device) == ("0.3.64", "3.11.7", "2.13.0+cpu", "cpu")
    assert boot.frontend == "1.27.10"
    assert {node.name for node in boot.nodes if not node.failed} == {
        "prestart",
        "websocket_image_save.py",
        "test_nodes",
    }
    assert sum(node.failed for node in boot.nodes) == 10
    assert [step.name for step in boot.steps] == ["torch", "nodes", "server"]
    assert boot.is_complete


def test_a_start_that_is_under_way_is_told_as_far_as_it_is() -> None:
    """Cards appear while it starts."""
    until = next(place for place, line in enumerate(RECORDED) if "entry_fails" in line) + 1
    boot = read_boot(entries(RECORDED[:until]))

    assert "old_api" in failures(boot)
    assert "ComfyUI-Florence2" not in failures(boot)
    assert not boot.is_complete


def test_only_the_last_start_counts() -> None:
    """What an earlier one could not import may be there now; the supervisor knows when the process began."""
    healthy = [line for line in RECORDED if "custom_nodes" not in line]
    later = NOW + timedelta(hours=1)
    both = [*entries(RECORDED), *entries(healthy, begin=later)]

    assert read_boot(both, begun_at=later - timedelta(seconds=1)).failures == []
    assert read_boot(both).failures == []


def test_a_process_may_speak_before_its_supervisor_has_noted_its_birth() -> None:
    """On a busy machine; the last words of the process before it are not taken for its own."""
    boot = read_boot(entries(RECORDED), begun_at=NOW + timedelta(milliseconds=800))
    assert len(boot.failures) == 11

    again = NOW + timedelta(milliseconds=10 * len([line for line in RECORDED if line.strip()]))
    healthy = [line for line in RECORDED if "custom_nodes" not in line]
    both = [*entries([*RECORDED, "Stopped server"]), *entries(healthy, begin=again + timedelta(milliseconds=10))]
    assert read_boot(both, begun_at=again + timedelta(milliseconds=100)).failures == []


def test_a_restart_in_place_is_found_in_the_log() -> None:
    """ComfyUI-Manager executes ComfyUI anew in the same process; then its log alone knows."""
    again = entries(
        ["Restarting... [Legacy Mode]", "Command: ['python', 'main.py']", *RECORDED], begin=NOW + timedelta(hours=1)
    )
    boot = read_boot([*entries(RECORDED), *again], begun_at=NOW)

    assert boot.restarted_at == NOW + timedelta(hours=1)
    assert len(boot.failures) == 11
    assert read_boot(entries(RECORDED), begun_at=NOW).restarted_at is None


ADVICE = [
    ("ModuleNotFoundError", "No module named 'cv2'", AdviceKind.INSTALL, "opencv-python-headless"),
    ("ModuleNotFoundError", "No module named 'skimage.filters'", AdviceKind.INSTALL, "scikit-image"),
    ("ModuleNotFoundError", "No module named 'google.genai'", AdviceKind.INSTALL, "google-genai"),
    ("ModuleNotFoundError", "No module named 'comfy.ldm.old'", AdviceKind.UPDATE, ""),
    ("ModuleNotFoundError", "No module named 'xformers'", AdviceKind.IMAGE, "xformers"),
    (
        "ImportError",
        "libGL.so.1: cannot open shared object file: No such file or directory",
        AdviceKind.LIBRARY,
        "libgl1",
    ),
    ("ImportError", "libcudart.so.11.0: cannot open shared object file: No such file", AdviceKind.IMAGE, ""),
    ("ImportError", "/x.so: undefined symbol: _ZN3c105ErrorC2", AdviceKind.REINSTALL, ""),
    ("ImportError", "cannot import name 'x' from 'comfy.utils' (/opt/ComfyUI/comfy/utils.py)", AdviceKind.UPDATE, ""),
    ("ImportError", "tokenizers>=0.21,<0.22 is required for a normal functioning", AdviceKind.REINSTALL, "tokenizers"),
    ("AttributeError", "module 'numpy' has no attribute 'float'", AdviceKind.UPDATE, ""),
    ("RuntimeError", "something of its own", AdviceKind.LOOK, ""),
]


@pytest.mark.parametrize(("kind", "message", "what", "package"), ADVICE)
def test_advice_fits_the_exception(kind: str, message: str, what: AdviceKind, package: str) -> None:
    """And names a package only where it is certain."""
    advice = advise(kind, message, "some-node", "pip")

    assert (advice.kind, advice.package) == (what, package)
    assert "some-node" in advice.text or "image" in advice.text
    assert bool(advice.command) == (what is AdviceKind.INSTALL)
