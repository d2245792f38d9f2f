"""``hearth presets`` does the same beside a running Hearth and without one, for people and for scripts."""

from __future__ import annotations

from tests.cli.rig import CommandLine, has_ansi, without_ansi
from tests.fakes.model_host import Content

OLD = "LTX_VIDEO_T2V"


def test_presets_are_listed_and_shown(command: CommandLine) -> None:
    """Whole ids in a pipe, without colours; old names lead to the preset."""
    listed = command("presets", "list")
    shown = command("presets", "show", OLD)

    assert (listed.status, shown.status) == (0, 0), listed.err + shown.err
    assert "ltx-video-2b" in listed.out
    assert "2 presets" in listed.out
    assert "ltx-video-2b-v0.9.5.safetensors" in shown.out
    assert not has_ansi(listed.out + shown.out)


def test_a_preset_is_downloaded_checked_and_deleted(command: CommandLine, contents: dict[str, Content]) -> None:
    """Each says what it did; a dry run only what it would do."""
    got = command("presets", "download", OLD)
    assert got.status == 0, got.err
    assert "completed" in got.out
    for place, content in contents.items():
        assert content.is_in(command.workspace / "ComfyUI" / "models" / place)

    checked = command("presets", "verify", OLD)
    assert checked.status == 0
    assert checked.out.count("installed") == 2
    rehearsed = command("presets", "delete", OLD, "--dry-run")
    assert "would go; nothing was changed" in rehearsed.out
    removed = command("presets", "delete", OLD)
    assert removed.status == 0
    assert removed.out.count("to the trash") == 2
    assert "{" not in removed.out
    assert not list((command.workspace / "ComfyUI" / "models" / "checkpoints").glob("*.safetensors"))
    assert "Nothing of it" in command("presets", "delete", OLD).out


def test_scripts_get_json(command: CommandLine) -> None:
    """One document on standard output for every command."""
    assert command("presets", "list", "--json").json["total"] == 2
    assert command("presets", "show", OLD, "--json").json["id"] == "ltx-video-2b"
    [job] = command("presets", "download", OLD, "--json").json["items"]
    assert job["state"] == "completed"
    assert command("presets", "verify", OLD, "--json").json["state"] == "completed"
    assert len(command("presets", "delete", OLD, "--json").json["files"]) == 2


def test_damage_is_found(command: CommandLine, contents: dict[str, Content]) -> None:
    """Status 1, and the file is named."""
    command("presets", "download", OLD)
    place = next(iter(contents))
    path = command.workspace / "ComfyUI" / "models" / place
    with path.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"rotten")
    checked = command("presets", "verify", OLD)

    assert checked.status == 1
    assert [line.split()[-1] for line in checked.out.splitlines() if path.name in line] == ["damaged"]


def test_an_unknown_preset_is_one_sentence(command: CommandLine) -> None:
    """JSON goes to standard error and nothing to standard output."""
    plain = command("presets", "download", "NO such thing?")
    scripted = command("presets", "show", "NO such thing?", "--json")

    assert plain.status == 1
    assert "NO such thing?" in plain.err
    assert "Traceback" not in plain.err
    assert (scripted.status, scripted.out, scripted.error["code"]) == (1, "", "preset_not_found")


def test_no_command_knows_it(hearth: CommandLine) -> None:
    """They all end the same way."""
    with hearth.serving():
        for verb in ("show", "download", "verify", "delete"):
            assert hearth("presets", verb, "NONSENSE", "--json").error["code"] == "preset_not_found"


def test_bars_are_drawn_on_a_terminal(hearth: CommandLine) -> None:
    """One for each preset that is wanted, up to its end."""
    screen = without_ansi(hearth.on_a_terminal("presets", "download", OLD, "ltx-video-2b"))

    assert "LTX-Video 2B 0.9.5" in screen
    assert "━" in screen
    assert "completed" in screen


def test_a_preset_can_be_left_to_the_server(hearth: CommandLine) -> None:
    """``--no-wait`` only queues it."""
    with hearth.serving():
        queued = hearth("presets", "download", "ltx-2", "--no-wait", "--json")
        [job] = queued.json["items"]
        assert queued.status == 0
        assert job["state"] in ("queued", "resolving", "downloading")
