"""The laws of the shipped catalogue, on the very files that users get."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from backend.paths.categories import CATEGORIES
from backend.presets.bundle import Bundle, read_bundle
from backend.presets.catalog import build_catalog
from backend.presets.definitions import Definitions, find_problems, read_folder
from backend.presets.errors import PresetRetired
from backend.presets.preset import Category, Origin
from backend.presets.schema import json_schema, parse_aliases, parse_preset
from scripts.build_catalog import DATA, OTHER_FACTS, OUTPUT, TEMPLATE_FACTS
from scripts.catalog.catalogue import repository_of
from scripts.catalog.curated import read_decisions
from scripts.catalog.facts import read_facts

PRESET_FILES = sorted(OUTPUT.glob("*/*.json"))
SHIPPED = read_folder(OUTPUT, Origin.SHIPPED)
CATALOG = build_catalog(SHIPPED, Definitions())
DECISIONS = read_decisions(DATA)


def test_the_shipped_catalogue_is_sound():
    """No file is unreadable, no id leads two ways, no place on disk has two contents."""
    assert find_problems(SHIPPED) == []
    assert CATALOG.warnings == ()


def test_the_catalogue_is_there_and_serves_every_category():
    """Every category of the roadmap has presets, and no preset file was skipped."""
    assert len(SHIPPED.presets) == len(PRESET_FILES) > 100
    assert {preset.category for preset in SHIPPED.presets} == set(Category)


def test_the_published_schema_is_current_and_accepts_every_preset():
    """Editors check preset files with the same rules as Hearth."""
    schema = json.loads((OUTPUT / "schema.json").read_text())
    assert schema == json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in PRESET_FILES:
        assert list(validator.iter_errors(json.loads(path.read_text()))) == [], path.name


def test_every_preset_file_names_the_schema_beside_it():
    """The relative link in each file leads to the published schema."""
    for path in PRESET_FILES:
        assert (path.parent / json.loads(path.read_text())["$schema"]).resolve() == OUTPUT / "schema.json"


@pytest.mark.parametrize("kind", ["to_json", "to_zip"])
def test_the_catalogue_travels_as_an_update(kind):
    """What is shipped can be published as a bundle and is taken over unchanged."""
    documents = [parse_preset(path.read_bytes()) for path in PRESET_FILES]
    bundle = Bundle(documents, parse_aliases((OUTPUT / "aliases.json").read_bytes()))
    taken = read_bundle(getattr(bundle, kind)()).definitions()
    assert {preset.id: preset for preset in taken.presets} == {preset.id: preset for preset in SHIPPED.presets}
    assert taken.retired == SHIPPED.retired


def test_every_old_id_resolves_or_is_retired_with_a_reason():
    """Automation that names one of the 56 + 102 older ids gets its preset, or a sentence why not."""
    old = yaml.safe_load((DATA / "old_ids.yaml").read_text())
    assert (len(set(old["presets_yaml"])), len(set(old["download_scripts"]))) == (56, 102)
    for name in {*old["presets_yaml"], *old["download_scripts"]}:
        if name.lower() in CATALOG.aliases:
            assert CATALOG.get(name).files
            continue
        with pytest.raises(PresetRetired) as retired:
            CATALOG.get(name)
        assert re.fullmatch(r"[A-Z].{10,}\.", retired.value.details["reason"]), name
        assert retired.value.details["successor"] in (None, *CATALOG.by_id), name


def test_ltx_video_t2v_leads_to_a_real_preset():
    """The id of the roadmap's example downloads LTX-Video with its text encoder."""
    names = {file.name for file in CATALOG.get("LTX_VIDEO_T2V").files}
    assert any(name.startswith("ltx-video") for name in names)
    assert any("t5" in name for name in names)


@pytest.mark.parametrize(
    ("old", "part"),
    [
        ("FLUX_DEV_BASIC", "flux1-dev"),
        ("FLUX_SCHNELL_FP8", "schnell"),
        ("SDXL_BASE_V1", "sd_xl_base"),
        ("SD3_5_LARGE_BASIC", "sd3.5_large"),
        ("QWEN_IMAGE_EDIT", "qwen_image_edit_2509"),
        ("HUNYUAN_I2V_V2_REPLACE", "v2_replace"),
        ("WAN_2_1_I2V_14B", "wan2.1_i2v"),
        ("WAN22_I2V_A14B_GGUF_Q8_0", "Q8_0"),
        ("WAN2_2_S2V_14B_FP8_SCALED", "wan2.2_s2v"),
        ("COSMOS_PREDICT2_VIDEO2WORLD", "video2world"),
        ("ACE_STEP", "ace_step"),
        ("ESRGAN_MODELS", "RealESRGAN_x2plus"),
    ],
)
def test_an_alias_leads_to_files_that_serve_its_purpose(old, part):
    """An old id is not pointed at just anything that exists."""
    assert any(part in file.name for file in CATALOG.get(old).files)


def test_every_address_and_number_was_published_by_somebody():
    """No address, size or checksum is invented: each stands in a facts file that names its origin."""
    templates, others = read_facts(TEMPLATE_FACTS), read_facts(OTHER_FACTS)
    assert templates.source.startswith("PyPI comfyui-workflow-templates-json ")
    assert all(fact.seen_in for fact in others.files.values())
    assert not templates.files.keys() & others.files.keys()
    facts = {**templates.files, **others.files}
    for preset in SHIPPED.presets:
        for file in preset.files:
            fact = facts[f"{file.directory}/{file.name}"]
            assert file.url == fact.url
            assert file.sha256 in (None, fact.sha256)
            assert file.size_bytes is None
            assert file.size_estimate_bytes == fact.size_estimate_bytes


def test_every_address_leads_to_the_file_itself():
    """No web page about a file, no query, no host without encryption, and a known kind of model file at the end."""
    for preset in SHIPPED.presets:
        for file in preset.files:
            assert re.fullmatch(
                r"https://huggingface\.co/[^/]+/[^/]+/resolve/main/[^?]+\.(safetensors|gguf)", file.url
            ), file.url


def test_every_directory_is_one_that_comfyui_reads():
    """A file in a folder that nothing reads would be paid for in vain."""
    known = {category.name for category in CATEGORIES}
    assert {file.directory.split("/")[0] for preset in SHIPPED.presets for file in preset.files} <= known


def test_files_of_gated_repositories_say_so():
    """People learn before the download that a licence waits."""
    for preset in SHIPPED.presets:
        for file in preset.files:
            assert file.gated == (repository_of(file.url) in DECISIONS.gated)
    assert CATALOG.get("flux2-klein-9b").gated


def test_every_official_template_has_a_preset_or_a_reason_why_not():
    """Nobody opens a template of ComfyUI and finds that Hearth never heard of its models."""
    covered = {workflow for preset in SHIPPED.presets for workflow in preset.workflows}
    assert covered | DECISIONS.left_out.keys() == read_facts(TEMPLATE_FACTS).templates.keys()
    assert not covered & DECISIONS.left_out.keys()


def test_every_preset_holds_all_files_of_its_workflows():
    """A workflow that is named by a preset runs after that one download."""
    templates = read_facts(TEMPLATE_FACTS).templates
    for preset in SHIPPED.presets:
        places = {f"{file.directory}/{file.name}" for file in preset.files}
        for workflow in preset.workflows:
            assert set(templates[workflow].files) <= places, preset.id


def test_no_two_presets_are_the_same_download():
    """The same set of files under two names would only confuse."""
    sets = [frozenset(file.place for file in preset.files) for preset in SHIPPED.presets]
    assert len(sets) == len(set(sets))


def test_names_and_descriptions_are_understood_at_once():
    """A name is short and unique; a description is one sentence that does not just repeat it."""
    names = [preset.name for preset in SHIPPED.presets]
    assert len(names) == len(set(names))
    for preset in SHIPPED.presets:
        assert len(preset.name) <= 60, preset.id
        assert re.fullmatch(r"[A-Z].{20,140}\.", preset.description), preset.id
        assert preset.description.rstrip(".") != preset.name
        assert preset.tags, preset.id


def test_the_folder_holds_nothing_else():
    """What ships is what the generator made."""
    assert {path.name for path in OUTPUT.iterdir()} == {"aliases.json", "schema.json", *map(str, Category)}
    assert Path(OUTPUT / "aliases.json").read_bytes().endswith(b"}\n")
