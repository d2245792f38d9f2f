"""Facts out of workflow templates, on a small invented set of them."""

import json
import shutil

import pytest

from scripts import build_catalog
from scripts.catalog.extract import INSTALLED, PACKAGE, NoTemplates, extract
from scripts.catalog.facts import read_facts, write_facts

HUB = "https://huggingface.co/ada/set/resolve/main"
SHA256 = "AB" * 32


def node(*models, kind="UNETLoader"):
    return {"type": kind, "properties": {"models": list(models)}, "widgets_values": ["a.safetensors", "default"]}


def model(name, directory, url=None, **more):
    return {"name": name, "directory": directory, "url": url or f"{HUB}/{directory}/{name}", **more}


def note(text, kind="MarkdownNote"):
    return {"type": kind, "properties": {}, "widgets_values": [text]}


def subgraph(*nodes, definitions=()):
    return {"id": "s", "nodes": list(nodes), "definitions": {"subgraphs": list(definitions)}}


def workflow(*nodes, subgraphs=()):
    return {"nodes": list(nodes), "definitions": {"subgraphs": list(subgraphs)}, "version": 0.4}


@pytest.fixture(name="folder")
def _folder(tmp_path):
    folder = tmp_path / "templates"
    folder.mkdir()

    def put(templates, sizes=None):
        entries = [{"name": name, "title": name.title(), "size": (sizes or {}).get(name, 0)} for name in templates]
        (folder / "index.json").write_text(json.dumps([{"title": "All", "templates": entries}]))
        for name, content in templates.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        return folder

    return put


def test_files_are_found_in_nodes_and_in_subgraphs_at_any_depth(folder):
    """Most official templates keep their loaders in subgraph definitions."""
    inner = subgraph(node(model("c.safetensors", "vae")))
    outer = subgraph(node(model("b.safetensors", "text_encoders")), definitions=[inner])
    facts = extract(str(folder({"film": workflow(node(model("a.safetensors", "checkpoints")), subgraphs=[outer])})))
    assert facts.templates["film"].title == "Film"
    assert facts.templates["film"].files == (
        "checkpoints/a.safetensors",
        "text_encoders/b.safetensors",
        "vae/c.safetensors",
    )
    assert facts.files["vae/c.safetensors"].url == f"{HUB}/vae/c.safetensors"


def test_sizes_come_from_the_notes_in_binary_units(folder):
    """A note's GB is 2^30 bytes, its MB 2^20; the note may stand in another template."""
    said = note(f"- [a]({HUB}/vae/a.safetensors) (1.5 GB)\n- [b]({HUB}/vae/b.safetensors?download=true) (100 MB)")
    files = node(model("a.safetensors", "vae"), model("b.safetensors", "vae"), model("c.safetensors", "vae"))
    facts = extract(str(folder({"x": workflow(files), "y": workflow(said)})))
    sizes = [facts.files[f"vae/{name}.safetensors"].size_estimate_bytes for name in "abc"]
    assert sizes == [3 << 29, 100 << 20, None]


def test_the_total_of_a_template_counts_only_when_it_has_one_file(folder):
    """A total cannot be divided honestly."""
    one = workflow(node(model("a.safetensors", "vae")))
    two = workflow(node(model("b.safetensors", "vae"), model("c.safetensors", "vae")))
    facts = extract(str(folder({"one": one, "two": two}, {"one": 7_000, "two": 9_000})))
    sizes = [facts.files[f"vae/{name}.safetensors"].size_estimate_bytes for name in "abc"]
    assert sizes == [7_000, None, None]


def test_only_sha256_checksums_are_taken(folder):
    """Another kind of hash would be compared with the wrong thing."""
    good = model("a.safetensors", "vae", hash=SHA256, hash_type="SHA256")
    bad = model("b.safetensors", "vae", hash="1234", hash_type="AutoV2")
    facts = extract(str(folder({"x": workflow(node(good, bad))})))
    assert facts.files["vae/a.safetensors"].sha256 == SHA256.lower()
    assert facts.files["vae/b.safetensors"].sha256 is None


def test_web_pages_and_queries_become_plain_addresses(folder):
    """/blob/ leads to a page, ?download=true changes nothing."""
    url = "https://huggingface.co/ada/set/blob/main/a.safetensors?download=true"
    facts = extract(str(folder({"x": workflow(node(model("a.safetensors", "vae", url)))})))
    assert facts.files["vae/a.safetensors"].url == "https://huggingface.co/ada/set/resolve/main/a.safetensors"


def test_of_several_mirrors_one_is_chosen_for_all(folder):
    """A checksum decides, then the right name at the end, then what most templates name."""
    mirrors = [f"https://huggingface.co/{who}/set/resolve/main/a.safetensors" for who in ("ada", "bob", "eve")]
    wrong = "https://huggingface.co/ada/set/resolve/main/other.safetensors"

    def choose(*urls, **more):
        uses = {f"t{index}": workflow(node(model("a.safetensors", "vae", url))) for index, url in enumerate(urls)}
        if more:
            uses["hashed"] = workflow(node(model("a.safetensors", "vae", **more)))
        return extract(str(folder(uses))).files["vae/a.safetensors"].url

    assert choose(mirrors[1], mirrors[2], mirrors[2]) == mirrors[2]
    assert choose(mirrors[2], mirrors[1]) == mirrors[1]
    assert choose(wrong, wrong, mirrors[2]) == mirrors[2]
    hashed = {"url": mirrors[0], "hash": SHA256, "hash_type": "SHA256"}
    assert choose(mirrors[1], mirrors[1], **hashed) == mirrors[0]


def test_templates_without_files_and_of_paid_services_are_left_out(folder):
    """They ask for nothing on disk."""
    paid = workflow(node(model("a.safetensors", "vae")))
    facts = extract(str(folder({"api_paid": paid, "plain": workflow(node())})))
    assert (facts.templates, facts.files) == ({}, {})


def test_incomplete_entries_are_ignored(folder):
    """An entry without an address, or with something that is none, says nothing."""
    entries = [{"name": "a"}, {"name": "a", "directory": "vae", "url": 7}, model("a", "vae", "ftp://x/a"), "a"]
    assert extract(str(folder({"x": workflow(node(*entries))}))).files == {}


def test_a_wheel_is_read_without_installing_it(folder, tmp_path):
    """The version in the wheel's name is recorded as the source."""
    source = folder({"x": workflow(node(model("a.safetensors", "vae")))})
    package = tmp_path / "wheel" / PACKAGE / "templates"
    shutil.copytree(source, package)
    archive = shutil.make_archive(str(tmp_path / f"{PACKAGE}-1.2.3-py3-none-any"), "zip", tmp_path / "wheel")
    wheel = shutil.move(archive, archive.removesuffix(".zip") + ".whl")
    facts = extract(str(wheel))
    assert facts.source == "PyPI comfyui-workflow-templates-json 1.2.3, MIT"
    assert facts.files == extract(str(source)).files


def test_a_place_without_templates_is_named(tmp_path):
    """The message says what would do."""
    with pytest.raises(NoTemplates, match=r"holds no index\.json"):
        extract(str(tmp_path))


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    """Where Hearth's own dependency is not there, the message says which one."""
    monkeypatch.setattr("scripts.catalog.extract.PACKAGE", "nobody_installed_this")
    with pytest.raises(NoTemplates, match="is not installed"):
        extract(INSTALLED)


def test_facts_survive_writing_and_reading(folder, tmp_path):
    """The file holds everything, sorted, and nothing that is unknown."""
    hashed = model("a.safetensors", "vae", hash=SHA256, hash_type="SHA256")
    facts = extract(str(folder({"x": workflow(node(hashed, model("b.safetensors", "vae")))})))
    write_facts(tmp_path / "facts.json", facts)
    assert read_facts(tmp_path / "facts.json") == facts
    assert "null" not in (tmp_path / "facts.json").read_text()


def test_the_door_takes_over_templates(folder, tmp_path, monkeypatch, capsys):
    """--templates rewrites the facts first; lists that name vanished templates are then refused."""
    monkeypatch.setattr(build_catalog, "TEMPLATE_FACTS", tmp_path / "facts.json")
    source = folder({"x": workflow(node(model("a.safetensors", "vae")))})
    assert build_catalog.main(["--templates", str(source), "--output", str(tmp_path / "presets")]) == 1
    assert read_facts(tmp_path / "facts.json").templates.keys() == {"x"}
    assert "there is no template" in capsys.readouterr().err
    assert build_catalog.main(["--templates", str(tmp_path), "--check"]) == 1
