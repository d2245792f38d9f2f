"""The files beside the pages: named by content, kept for ever, small on the wire, from this host alone."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import httpx2
import pytest

from backend.web.assets import DIST, FRONT_END

pytestmark = pytest.mark.anyio

MANIFEST = json.loads((DIST / "manifest.json").read_text("utf-8"))
FOR_EVER = "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", sorted(MANIFEST))
async def test_a_hashed_file_is_kept_for_ever(anon_client: httpx2.AsyncClient, name: str) -> None:
    """Its name changes with its content, so nobody ever asks again; no sign-in is needed."""
    answer = await anon_client.get(f"/static/{MANIFEST[name]}", headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == FOR_EVER
    assert answer.content == (DIST / MANIFEST[name]).read_bytes()


@pytest.mark.parametrize("name", ["css/styles.css", "js/htmx.js", "icons.svg"])
async def test_text_comes_compressed_to_whoever_reads_it(anon_client: httpx2.AsyncClient, name: str) -> None:
    """The build compressed it once and well; the type stays that of the text."""
    async with anon_client.stream("GET", f"/static/{MANIFEST[name]}", headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith(("text/css", "text/javascript", "image/svg+xml"))
    assert "Accept-Encoding" in answer.headers["vary"]
    assert gzip.decompress(raw) == (DIST / MANIFEST[name]).read_bytes()


async def test_the_manifest_is_asked_for_anew(anon_client: httpx2.AsyncClient) -> None:
    """It is the one name that stays while its content changes."""
    assert (await anon_client.get("/static/manifest.json")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["none.js", "../templates/layout.html", "..%2f..%2fpackage.json"])
async def test_nothing_else_is_served(anon_client: httpx2.AsyncClient, path: str) -> None:
    """A name outside the folder, or none, is not found."""
    assert (await anon_client.get(f"/static/{path}")).status_code == 404


def test_the_style_sheet_and_scripts_name_no_other_host() -> None:
    """Everything that a browser could fetch from them is on this host."""
    for name, hashed in MANIFEST.items():
        if name.endswith((".css", ".svg")):
            text = (DIST / hashed).read_text("utf-8")
            found = re.findall(r"(?:url\(|@import\s+|href=)[\"']?(https?:)?//[^)\"']+", text)
            assert found == [], name
    ours = "".join(path.read_text("utf-8") for path in (FRONT_END / "static" / "js").glob("*.js"))
    assert re.findall(r"https?://\S+", ours) == []


def test_the_first_load_stays_small() -> None:
    """Compressed: style sheet 14 KB, scripts 57 KB, the icons 4 KB; a dependency that grows is noticed."""
    sizes = {name: len(gzip.compress((DIST / hashed).read_bytes(), 9)) for name, hashed in MANIFEST.items()}
    assert sizes["css/styles.css"] < 14_000
    assert sum(size for name, size in sizes.items() if name.startswith("js/")) < 57_000
    assert sizes["icons.svg"] < 4_000


def test_the_lock_names_no_registry() -> None:
    """Packages install from whichever registry the machine uses, checked by their hashes."""
    lock = json.loads((FRONT_END / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    bundled = [name for name, entry in packages.items() if "integrity" not in entry and not entry.get("inBundle")]
    assert bundled == []


def test_the_licences_travel_with_the_files() -> None:
    """Fonts, icons and libraries ask for it."""
    text = (DIST / MANIFEST["licences.txt"]).read_text("utf-8")
    for name in ("htmx.org", "@alpinejs/csp", "lucide-static", "inter", "jetbrains-mono"):
        assert name in text


def test_the_nine_seed_tokens_keep_their_values() -> None:
    """The default theme is the one that was asked for, to the letter."""
    css = (FRONT_END / "static" / "css" / "themes" / "dark.css").read_text("utf-8")
    wanted = {
        "primary": "#6366f1", "secondary": "#8b5cf6", "success": "#10b981", "warning": "#f59e0b", "danger": "#ef4444",
        "bg-primary": "#0f172a", "bg-secondary": "#1e293b", "text-primary": "#f1f5f9", "text-secondary": "#94a3b8",
    }  # fmt: skip
    assert {name: re.search(rf"--{name}:\s*(#\w+);", css)[1] for name in wanted} == wanted  # type: ignore[index]


def test_every_theme_defines_the_same_names() -> None:
    """A colour that one theme lacks would fall back to another theme's."""
    folder = Path(FRONT_END / "static" / "css" / "themes")
    names = {path.name: set(re.findall(r"(--[\w-]+):", path.read_text("utf-8"))) for path in folder.glob("*.css")}
    assert names["light.css"] == names["dark.css"] == names["high-contrast.css"]
