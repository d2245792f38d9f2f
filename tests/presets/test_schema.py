"""What passes the schema is safe to act on: no path leaves the fence, no address carries a secret."""

from __future__ import annotations

import json
import posixpath
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backend.presets.errors import InvalidPreset
from backend.presets.preset import Origin
from backend.presets.schema import (
    check_preset,
    document_schema,
    dump_preset,
    json_schema,
    parse_aliases,
    parse_preset,
    to_preset,
)
from tests.presets.shelf import definition, file
from tests.secret_watch import secret

_AWKWARD = st.text(
    alphabet=st.sampled_from([*'./\\:*?"<>| ~%$aZ0_-', "\x00", "\n", "é", "／", "․", "\u202e"]), max_size=12
)


def accepted(**changes: Any) -> bool:
    try:
        check_preset(definition("a-preset", {**file("model.safetensors"), **changes}))
    except InvalidPreset:
        return False
    return True


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "sd_xl_base_1.0_0.9vae.safetensors",
        "Wan2.2-T2V (fp8) [scaled].gguf",
        "4x-UltraSharp.pth",
        "it's fine & good, 50%.bin",
    ],
)
def test_names_that_the_world_uses_are_taken(name: str):
    """Real model names have dots, blanks and brackets."""
    assert accepted(name=name)


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../model.bin", "a/b.bin", "a\\b.bin", "/etc/passwd", "~/x.bin\n", ".hidden.bin", "-rf.bin",
        "con", "CON.safetensors", "nul.bin", "Com1", "lpt9.gguf", "trailing.", "trailing ", "x.bin:stream", "x?.bin",
        "a\x00b.bin", "model.bin\n", "modèle.bin", "ｍodel.bin", "model\u202enib.bin", "x.part", "X.PART", "x.part.json",
        "x.tmp", "n" * 201,
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(name: str):
    """Separators, devices of Windows, hidden files, our own temporary names and look-alike letters never pass."""
    assert not accepted(name=name)


@pytest.mark.parametrize("directory", ["checkpoints", "loras/wan", "text_encoders/t5 xxl/fp8"])
def test_directories_below_a_category_are_taken(directory: str):
    """A category may have folders below it."""
    assert accepted(directory=directory)


@pytest.mark.parametrize(
    "directory",
    [
        "",
        "/",
        "/checkpoints",
        "checkpoints/",
        "a//b",
        "../x",
        "a/../b",
        "a/./b",
        "a/..",
        "C:\\x",
        "a\\b",
        "a/con/b",
        "~",
    ],
)
def test_directories_outside_are_refused(directory: str):
    """No step up, no absolute path, no empty step."""
    assert not accepted(directory=directory)


@given(_AWKWARD, _AWKWARD)
@example("loras", "..")
@example("a/..", "b")
def test_no_text_leads_out_of_the_fence(directory: str, name: str):
    """Whatever passes is a path that stays below its root, word for word."""
    if accepted(directory=directory, name=name):
        path = f"{directory}/{name}"
        assert posixpath.normpath(f"/root/{path}") == f"/root/{path}"
        assert path.isascii()
        assert not set(path) & set('\\:*?"<>|\x00\n')
        assert all(not part.startswith(".") and not part.endswith((".", " ")) for part in path.split("/"))


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://h/x", "javascript:alert(1)", "//h/x", "https://", "https:///x", "h/x", "",
        "https://user:word@h/x", "https://user@h/x", "https://h/a b", "https://h/x\n", "https://[::1/x",
        "https://huggingface.co/a/b/blob/main/x.safetensors",
    ],
)  # fmt: skip
def test_addresses_that_are_no_file_are_refused(url: str):
    """Only plain http(s) addresses of the file itself."""
    assert not accepted(url=url)


def test_a_secret_in_an_address_is_refused_and_not_repeated():
    """The complaint names the field and the cure, never the secret."""
    token = secret("token in a definition", "hf_")
    with pytest.raises(InvalidPreset) as caught:
        check_preset(definition("a-preset", file("m.bin", url=f"https://h/m.bin?token={token}")))
    assert token not in json.dumps(caught.value.as_dict())
    assert "files.0.url" in caught.value.message


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schema": 2}, "schema"),
        ({"id": "Upper"}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "a" * 65}, "id"),
        ({"category": "music"}, "category"),
        ({"files": []}, "files"),
        ({"files": [file("a.bin"), file("A.BIN")]}, "document"),
        ({"files": [{**file("a.bin"), "size_bytes": 0}]}, "files.0.size_bytes"),
        ({"files": [{**file("a.bin"), "size_bytes": "9"}]}, "files.0.size_bytes"),
        ({"files": [{**file("a.bin"), "size_bytes": 1 << 51}]}, "files.0.size_bytes"),
        ({"files": [{**file("a.bin"), "sha256": "abc"}]}, "files.0.sha256"),
        ({"files": [{**file("a.bin"), "revision": "../x"}]}, "files.0.revision"),
        ({"tags": ["<b>"]}, "tags.0"),
        ({"name": "two\nlines"}, "name"),
        ({"surprise": 1}, "surprise"),
        ({"aliases": ["a b"]}, "aliases.0"),
        ({"homepage": "javascript:x"}, "homepage"),
    ],
)
def test_each_wrong_field_is_named(changes: dict[str, Any], field: str):
    """A wrong document says which field is wrong."""
    with pytest.raises(InvalidPreset) as caught:
        check_preset({**definition("a-preset"), **changes})
    problems = caught.value.details["problems"]
    assert isinstance(problems, list)
    assert any(str(problem).startswith(f"{field}:") for problem in problems)


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b'{"schema": 1}', b"\xff\xfe", b"[" * 100_000])
def test_no_text_raises_anything_else(text: bytes):
    """Whatever a file holds, the answer is one kind of error."""
    with pytest.raises(InvalidPreset):
        parse_preset(text)
    with pytest.raises(InvalidPreset):
        parse_aliases(b"[1]")


def test_what_is_written_reads_the_same():
    """A definition survives being kept on disk; upper-case checksums become lower-case."""
    content = definition("a-preset", file("m.bin", sha256="AB" * 32, gated=True, licence="MIT"), tags=["sd 1.5"])
    document = check_preset(content)
    assert parse_preset(dump_preset(document)) == document
    preset = to_preset(document, Origin.USER)
    assert preset.files[0].sha256 == "ab" * 32
    assert preset.gated
    assert preset.origin is Origin.USER


def test_the_published_schema_agrees_with_the_code():
    """What editors check by the JSON Schema is what Hearth takes, in both of its forms."""
    good = definition("a-preset", file("m.bin", content=b"x"), tags=["a"], aliases=["OLD_ID"])
    for schema in (json_schema(), document_schema()):
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(good, schema)
        for bad in ({**good, "id": "A B"}, {**good, "files": []}, definition("a", file("../m.bin"))):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(bad, schema)
    assert "$ref" not in json.dumps(document_schema())
