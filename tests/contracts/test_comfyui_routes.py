"""Answers: the simulated ComfyUI, or the real one at COMFYUI_TEST_URL, answers as recorded."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from tests.contracts.comfyui_replay import VERSIONS, recording, salted
from tests.contracts.test_comfyui_runs import REAL, skip_other_versions, url

pytestmark = pytest.mark.anyio
__all__ = ["url"]

_REFUSALS = [
    pytest.param(version, line, id=f"{version}-{line['note']}")
    for version in VERSIONS
    for line in recording(version, "errors_validation")
    if line["kind"] == "http" and line["path"] == "/prompt" and line["status"] != 200
]
_SAME = [
    "/system_stats", "/features", "/prompt", "/queue", "/history/unknown", "/models", "/models/clip", "/models/nope",
    "/experiment/models", "/experiment/models/nope", "/object_info/KSampler", "/object_info/Nope", "/users",
    "/settings/Comfy.X", "/userdata?dir=nowhere", "/api/system_stats", "/api/queue", "/api/internal/logs", "/nope",
    "/view?filename=../../etc/passwd&type=input", "/view?filename=nope.png", "/view?filename=x.png&type=zzz",
    "/view?filename=x.png&subfolder=../..", "/view", "/view?filename=example.png&type=input",
]  # fmt: skip


@pytest.mark.parametrize(("version", "line"), _REFUSALS)
async def test_a_prompt_is_refused_in_the_words_of_the_recording(url: str, version: str, line: dict[str, Any]) -> None:
    """Status, types, keys and messages are the same; lists of files and tracebacks are not compared."""
    skip_other_versions(version)
    async with httpx2.AsyncClient(base_url=url) as http:
        if line["note"] == "malformed JSON":
            answer = await http.post("/prompt", content=b"{nope")
        else:
            answer = await http.post("/prompt", json=line["request"])

    assert answer.status_code == line["status"]
    if "response_text" in line:
        assert answer.text == line["response_text"]
    else:
        assert _refusal_shape(answer.json()) == _refusal_shape(line["response"])


def _refusal_shape(answer: dict[str, Any]) -> Any:
    nodes = {
        node: (report["class_type"], sorted(report["dependent_outputs"]), sorted(map(_problem_shape, report["errors"])))
        for node, report in answer["node_errors"].items()
    }
    error = answer["error"]
    return error["type"], error["message"], error["details"], sorted(error["extra_info"]), nodes


def _problem_shape(problem: dict[str, Any]) -> Any:
    details = re.sub(r"not in \[.*\]", "not in a list", problem["details"])
    return problem["type"], problem["message"], details, sorted(problem["extra_info"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", _SAME)
async def test_a_question_is_answered_in_the_form_of_the_recording(url: str, version: str, path: str) -> None:
    """Status, media type of JSON, and the type of what is answered."""
    skip_other_versions(version)
    recorded = [line for line in recording(version, "routes") if line.get("method") == "GET" and line["path"] == path]

    async with httpx2.AsyncClient(base_url=url) as http:
        answer = await http.get(path)

    if not recorded:
        assert answer.status_code == 404
        return
    assert answer.status_code == recorded[0]["status"]
    if "response" in recorded[0] and "__truncated__" not in str(recorded[0]["response"]):
        assert answer.headers["content-type"].startswith("application/json")
        assert type(answer.json()) is type(recorded[0]["response"])


@pytest.mark.parametrize("version", VERSIONS)
async def test_uploads_are_named_as_recorded(url: str, version: str) -> None:
    """The same bytes keep their name, others get another one; a folder outside is refused."""
    skip_other_versions(version)
    import secrets

    name, other = f"up-{secrets.token_hex(4)}.png", secrets.token_bytes(64)
    async with httpx2.AsyncClient(base_url=url) as http:
        upload = lambda content, **form: http.post("/upload/image", files={"image": (name, content)}, data=form)  # noqa: E731
        answers = [
            await upload(b"one"),
            await upload(b"one"),
            await upload(other),
            await upload(other, overwrite="true"),
        ]
        outside = await upload(b"x", subfolder="../../x")
        inside = await upload(b"x", subfolder="a/b", type="temp")

    stem = name.removesuffix(".png")
    assert [each.json()["name"] for each in answers] == [name, name, f"{stem} (1).png", name]
    assert outside.status_code == 400
    assert inside.json() == {"name": name, "subfolder": "a/b", "type": "temp"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_foreign_origin_is_refused(url: str, version: str) -> None:
    """A page of another site may not ask a server on loopback; without an Origin everybody may."""
    skip_other_versions(version)
    async with httpx2.AsyncClient(base_url=url) as http:
        foreign = await http.get("/prompt", headers={"Origin": "http://elsewhere.example"})
        plain = await http.get("/prompt")

    assert (foreign.status_code, plain.status_code) == (403, 200)


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_content_type_of_a_prompt_does_not_matter(url: str, version: str) -> None:
    """JSON sent as text is a prompt too, and a list of numbers is not."""
    skip_other_versions(version)
    body = salted(recording(version, "run_empty_save")[4]["request"], 5)
    async with httpx2.AsyncClient(base_url=url) as http:
        answer = await http.post("/prompt", json=body, headers={"Content-Type": "text/plain"})

    assert answer.status_code == 200
    assert set(answer.json()) == {"prompt_id", "number", "node_errors"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_list_of_jobs_exists_in_new_versions_only(url: str, version: str) -> None:
    """0.3.64 knows no /api/jobs; 0.26 lists states, refuses nothing that exists, and says 404 for the rest."""
    skip_other_versions(version)
    async with httpx2.AsyncClient(base_url=url) as http:
        answer = await http.get("/api/jobs")
        unknown = await http.get("/api/jobs/nope")

    assert answer.status_code == (404 if version == "0.3.64" else 200)
    assert unknown.status_code == 404
    if not REAL and version != "0.3.64":
        assert answer.json() == {"jobs": [], "pagination": {"offset": 0, "limit": None, "total": 0, "has_more": False}}
