"""The generator: the same lists give the same bytes, and a mistake in them is named."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from scripts import build_catalog
from scripts.build_catalog import DATA, OTHER_FACTS, OUTPUT, TEMPLATE_FACTS, build, main
from scripts.catalog.catalogue import Unsound, join_inputs, make_catalogue
from scripts.catalog.curated import CuratedPreset, Family, read_decisions
from scripts.catalog.facts import ResolvedFact, TemplateFact, read_facts, read_resolved


@pytest.fixture(name="inputs")
def _inputs():
    return join_inputs(read_facts(TEMPLATE_FACTS), read_facts(OTHER_FACTS), {}, read_decisions(DATA))


@pytest.fixture(name="copy")
def _copy(tmp_path):
    shutil.copytree(OUTPUT, tmp_path / "presets")
    return tmp_path / "presets"


def with_preset(inputs, **fields):
    """Return *inputs* with one more preset."""
    preset = CuratedPreset(**{"id": "extra", "name": "Extra", "description": "One more.", **fields})
    families = (*inputs.decisions.families, Family(category="tools", presets=(preset,)))
    return replace(inputs, decisions=inputs.decisions.model_copy(update={"families": families}))


def only(inputs, preset_id):
    """Return the one document of an id."""
    return next(preset for preset in make_catalogue(inputs).presets if preset.id == preset_id)


def test_the_shipped_files_are_what_the_generator_makes():
    """Nobody edits the catalogue by hand."""
    assert main(["--check"]) == 0


def test_the_same_lists_give_the_same_bytes(tmp_path):
    """Two runs, one of them in another process with another hash seed, write identical trees."""
    folders = [tmp_path / "one", tmp_path / "two"]
    assert main(["--output", str(folders[0])]) == 0
    command = [sys.executable, "-m", "scripts.build_catalog", "--output", str(folders[1])]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "7"}, cwd=OUTPUT.parent.parent, capture_output=True)
    one, two = ({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")} for folder in folders)
    assert one == two
    assert one


def test_check_notices_an_edit_by_hand(copy, capsys):
    """The command fails, names the file, says what to run, and leaves the edit alone."""
    path = copy / "image" / "sd1.5.json"
    path.write_text(path.read_text().replace("small classic", "great classic"))
    assert main(["--check", "--output", str(copy)]) == 1
    assert "image/sd1.5.json was changed by hand" in (said := capsys.readouterr().err)
    assert "python -m scripts.build_catalog" in said
    assert "great classic" in path.read_text()


def test_check_notices_what_is_missing_and_what_is_too_much(copy, capsys):
    """A deleted preset and a stray one are both differences."""
    (copy / "image" / "sd1.5.json").unlink()
    (copy / "image" / "stray.json").write_text("{}")
    assert main(["--check", "--output", str(copy)]) == 1
    said = capsys.readouterr().err
    assert "image/sd1.5.json is missing." in said
    assert "image/stray.json is not generated." in said


def test_a_run_repairs_the_folder_and_touches_nothing_else(copy):
    """Wrong files are rewritten, stray presets go, other files stay, right files are not even rewritten."""
    right, wrong = copy / "image" / "sdxl-base.json", copy / "image" / "sd1.5.json"
    before = right.stat().st_mtime_ns
    wrong.write_text("{}")
    (copy / "image" / "stray.json").write_text("{}")
    (copy / "README.md").write_text("notes")
    assert main(["--output", str(copy)]) == 0
    assert main(["--check", "--output", str(copy)]) == 0
    assert not (copy / "image" / "stray.json").exists()
    assert (copy / "README.md").read_text() == "notes"
    assert right.stat().st_mtime_ns == before


def test_a_template_with_exactly_the_files_of_a_preset_joins_it(inputs):
    """New templates that need nothing new need no curating."""
    twin = TemplateFact(title="Twin", files=inputs.templates["image_sdxl_simple"].files)
    made = make_catalogue(replace(inputs, templates={**inputs.templates, "twin": twin}))
    assert made.uncurated == ()
    assert [preset.id for preset in made.presets if "twin" in preset.workflows] == ["sdxl-base"]


def test_a_template_with_new_files_is_reported(inputs):
    """A maintainer learns what is left to decide, and the catalogue stays usable."""
    needs = ("checkpoints/sd_xl_base_1.0.safetensors", "loras/pixel_art_style_z_image_turbo.safetensors")
    new = TemplateFact(title="New", files=needs)
    assert make_catalogue(replace(inputs, templates={**inputs.templates, "new": new})).uncurated == ("new",)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"templates": ["nowhere"]}, "extra: there is no template nowhere any more."),
        ({"files": ["vae/unheard-of.safetensors"]}, "extra: no facts about the file vae/unheard-of.safetensors."),
        ({"files": ["vae/ae.safetensors"], "id": "No Id"}, "No Id: "),
        ({"files": []}, "extra: "),
        ({"files": ["vae/ae.safetensors"], "aliases": ["FLUX_DEV_BASIC"]}, "the alias FLUX_DEV_BASIC already leads"),
        ({"files": ["vae/ae.safetensors"], "aliases": ["BARK_BASIC"]}, "BARK_BASIC is retired, yet"),
    ],
)
def test_a_mistake_in_the_lists_is_named(inputs, fields, sentence):
    """Nothing is generated from lists that contradict the facts or each other."""
    with pytest.raises(Unsound) as caught:
        make_catalogue(with_preset(inputs, **fields))
    assert any(sentence in problem for problem in caught.value.problems)


def test_a_forgotten_old_id_is_named(inputs):
    """No id of the predecessor can be lost by an edit of the lists."""
    retired = {old: entry for old, entry in inputs.decisions.retired.items() if old != "BARK_BASIC"}
    with pytest.raises(Unsound, match="The old id BARK_BASIC neither leads to a preset nor is it retired"):
        make_catalogue(replace(inputs, decisions=inputs.decisions.model_copy(update={"retired": retired})))


def test_a_folder_that_comfyui_does_not_read_is_refused(inputs):
    """The directory of a file must be one of ComfyUI's."""
    fact = inputs.files["vae/ae.safetensors"]
    wrong = replace(inputs, files={**inputs.files, "audio/ae.safetensors": fact})
    with pytest.raises(Unsound, match="audio is no model folder of ComfyUI"):
        make_catalogue(with_preset(wrong, files=["audio/ae.safetensors"]))


def test_an_address_that_nobody_needs_is_named(inputs):
    """The list of other addresses does not gather dust."""
    fact = inputs.files["checkpoints/RealVisXL_V4.0.safetensors"]
    with pytest.raises(Unsound, match=r"nothing needs vae/dust\.safetensors"):
        make_catalogue(replace(inputs, files={**inputs.files, "vae/dust.safetensors": fact}))


def test_an_exact_answer_replaces_the_estimate(inputs):
    """What the hub said about size, checksum and commit goes into the preset."""
    url = inputs.files["checkpoints/sd_xl_base_1.0.safetensors"].url
    answer = ResolvedFact(size_bytes=6_938_078_334, sha256="ab" * 32, revision="c" * 40)
    file = only(replace(inputs, resolved={url: answer}), "sdxl-base").files[0]
    assert (file.size_bytes, file.sha256, file.revision) == (6_938_078_334, "ab" * 32, "c" * 40)
    assert file.size_estimate_bytes is None


def test_a_preset_can_renounce_the_licence_of_its_family(inputs):
    """An explicit null means unknown or mixed; saying nothing means the family's."""
    presets = {preset.id: preset for preset in make_catalogue(inputs).presets}
    assert presets["wan2.2-t2v-14b"].licence == "Apache-2.0"
    assert presets["humo"].licence is None


def test_main_names_every_problem_and_writes_nothing(monkeypatch, tmp_path, capsys):
    """A broken list leaves the catalogue as it is."""
    data = tmp_path / "catalog"
    shutil.copytree(DATA, data)
    (data / "gated.yaml").write_text("{}\n")
    (data / "retired.yaml").write_text("{}\n")
    monkeypatch.setattr(build_catalog, "DATA", data)
    assert main(["--output", str(tmp_path / "presets")]) == 1
    assert "The old id BARK_BASIC" in capsys.readouterr().err
    assert not (tmp_path / "presets").exists()


def test_nothing_was_resolved_is_no_error(tmp_path):
    """The file of the hub's answers need not exist."""
    assert read_resolved(tmp_path / "none.json") == {}
    assert build().presets


def test_the_list_of_given_up_ids_is_sorted():
    """Changes of it read well."""
    retired = list(json.loads((OUTPUT / "aliases.json").read_text())["retired"])
    assert retired == sorted(retired)
