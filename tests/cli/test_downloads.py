"""``hearth downloads`` shows and steers the queue, beside a running Hearth and on what an ended one left."""

from __future__ import annotations

import signal

from tests.cli.rig import CommandLine, has_ansi
from tests.fakes.hub import HuggingFaceHub


def test_an_empty_queue_is_a_sentence(command: CommandLine) -> None:
    """And an empty list for scripts."""
    assert command("downloads", "list").out == "There are no downloads.\n"
    assert command("downloads", "watch").out == "Nothing is being downloaded.\n"
    assert command("downloads", "list", "--json").json["items"] == []
    assert command("downloads", "watch", "--json").json == {"items": [], "total": 0}


def test_the_queue_is_listed_and_a_job_cancelled_and_retried(hearth: CommandLine) -> None:
    """What has arrived is kept, or deleted when that is asked."""
    with hearth.serving():
        [job] = hearth("presets", "download", "ltx-2", "--no-wait", "--json").json["items"]
        listed = hearth("downloads", "list")
        assert job["id"] in listed.out
        assert not has_ansi(listed.out)
        assert hearth("downloads", "cancel", job["id"]).out == f"{job['name']}: cancelled\n"
        assert hearth("downloads", "retry", job["id"], "--json").json["state"] in ("queued", "resolving", "downloading")
        assert hearth("downloads", "cancel", job["id"], "--discard", "--json").json["state"] == "cancelled"
        assert hearth("downloads", "list", "--state", "cancelled", "--json").json["total"] == 1
    assert not list((hearth.workspace / "ComfyUI" / "models").rglob("*.part*"))


def test_an_unknown_job_is_one_sentence(hearth: CommandLine) -> None:
    """For every command."""
    with hearth.serving():
        for words in (("cancel", "nobody"), ("retry", "nobody"), ("watch", "nobody")):
            plain = hearth("downloads", *words)
            assert (plain.status, plain.out) == (1, "")
            assert "Traceback" not in plain.err
            assert hearth("downloads", *words, "--json").error["code"] == "download_not_found"


def test_watching_ends_with_the_jobs(hearth: CommandLine) -> None:
    """All that is unfinished is followed; the end of the last one is the end of the command."""
    with hearth.serving():
        hearth("presets", "download", "LTX_VIDEO_T2V", "--no-wait")
        watched = hearth("downloads", "watch", "--json")
    assert watched.status == 0
    assert {job["state"] for job in watched.json["items"]} <= {"completed"}


def test_a_job_that_waits_for_a_person_ends_the_watch(hearth: CommandLine, hugging_face: HuggingFaceHub) -> None:
    """It says what is missing, and status 1 tells scripts."""
    hugging_face.gate("Lightricks/LTX-Video")
    got = hearth("presets", "download", "LTX_VIDEO_T2V")

    assert got.status == 1
    assert "blocked" in got.out
    assert "huggingface.co/Lightricks/LTX-Video" in got.out


def test_what_an_ended_hearth_left_is_finished_by_a_command(hearth: CommandLine) -> None:
    """The server is killed; ``downloads watch`` alone brings the job to its end."""
    with hearth.serving() as serving:
        [job] = hearth("presets", "download", "LTX_VIDEO_T2V", "--no-wait", "--json").json["items"]
        serving.end(signal.SIGKILL)
    watched = hearth("downloads", "watch", job["id"], "--json")

    assert watched.status == 0
    assert watched.json["items"][0]["state"] == "completed"


def test_ctrl_c_stops_watching_and_not_the_server(hearth: CommandLine) -> None:
    """No traceback; the job goes on."""
    with hearth.serving() as serving:
        [job] = hearth("presets", "download", "ltx-2", "--no-wait", "--json").json["items"]
        watching = hearth.begin("downloads", "watch")
        serving.wait_for_line("method=GET", f"path=/api/downloads/{job['id']}")
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=10)
        assert watching.returncode == 130
        assert "Traceback" not in err
        assert hearth("downloads", "list", "--json").json["items"][0]["state"] in ("downloading", "resolving")
        assert hearth("downloads", "list", "--json").json["items"][0]["id"] == job["id"]


def test_ctrl_c_on_a_command_of_its_own_keeps_what_has_arrived(
    hearth: CommandLine, hugging_face: HuggingFaceHub
) -> None:
    """No traceback and no task that was forgotten; the next command goes on with it."""
    downloading = hearth.begin("presets", "download", "ltx-2")
    hugging_face.cdn.host.wait_for(lambda seen: any(request.bytes_sent > 50_000 for request in seen), timeout=30)
    downloading.send_signal(signal.SIGINT)
    _, err = downloading.communicate(timeout=15)

    assert downloading.returncode == 130
    assert "Traceback" not in err
    assert "never" not in err
    assert list((hearth.workspace / "ComfyUI" / "models").rglob("*.part"))


def test_a_server_that_goes_away_is_one_sentence(hearth: CommandLine) -> None:
    """While a command watches."""
    with hearth.serving() as serving:
        [job] = hearth("presets", "download", "ltx-2", "--no-wait", "--json").json["items"]
        watching = hearth.begin("downloads", "watch", "--json")
        serving.wait_for_line("method=GET", f"path=/api/downloads/{job['id']}")
        serving.end(signal.SIGKILL)
        out, err = watching.communicate(timeout=20)
    assert (watching.returncode, out) == (1, "")
    assert '"code": "unreachable"' in err
    assert "Traceback" not in err
