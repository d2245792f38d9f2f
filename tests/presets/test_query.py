"""The list answers any question with presets or with one kind of error, and searches as people type."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.presets.catalog import Catalog, build_catalog
from backend.presets.definitions import Definitions
from backend.presets.errors import InvalidQuery
from backend.presets.installation import Facts, PresetState, judge_preset
from backend.presets.preset import Category, Origin
from backend.presets.query import PresetQuery, Sort, parse_query, select
from backend.presets.schema import check_preset, to_preset
from tests.presets.shelf import definition, file

PRESETS = (
    definition("flux-dev", name="FLUX.1 Dev", tags=["flux", "fp8"], aliases=["FLUX_DEV_BASIC"],
               files=[file("flux1-dev.safetensors", "diffusion_models", size_bytes=23, gated=True)]),
    definition("sd15", name="Stable Diffusion 1.5", tags=["sd 1.5"], files=[file("v1-5.safetensors", size_bytes=4)],
               description="Runs beside flux on small cards."),
    definition("wan-2.10", name="Wan 2.10", category="video", tags=["fp8"], files=[file("w10.safetensors")]),
    definition("wan-2.2-t2v", name="Wan 2.2 T2V", category="video", tags=["fp8", "lightning"],
               files=[file("w2.safetensors", size_bytes=14)]),
    definition("ace-step", name="ACE Step", category="audio", files=[file("ace.safetensors", size_bytes=7)]),
)  # fmt: skip


def make_catalog() -> tuple[Catalog, dict[str, PresetState]]:
    presets = tuple(to_preset(check_preset(each), Origin.SHIPPED) for each in PRESETS)
    catalog = build_catalog(Definitions(presets), Definitions())
    partial = {("checkpoints", "v1-5.safetensors"): Facts(partial_bytes=1)}
    return catalog, {each.id: judge_preset(each, partial, None, {}) for each in catalog.presets}


CATALOG, STATES = make_catalog()


def ask(text: str) -> list[str]:
    return [preset.id for preset in select(CATALOG, STATES, parse_query(parse_qsl(text))).presets]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["ace-step", "flux-dev", "sd15", "wan-2.2-t2v", "wan-2.10"]),
        ("sort=-name", ["wan-2.10", "wan-2.2-t2v", "sd15", "flux-dev", "ace-step"]),
        ("sort=size", ["wan-2.10", "sd15", "ace-step", "wan-2.2-t2v", "flux-dev"]),
        ("sort=-size&limit=2", ["flux-dev", "wan-2.2-t2v"]),
        ("sort=status&limit=1", ["sd15"]),
        ("category=video", ["wan-2.2-t2v", "wan-2.10"]),
        ("category=video,audio", ["ace-step", "wan-2.2-t2v", "wan-2.10"]),
        ("category=video&category=audio&limit=1&offset=1", ["wan-2.2-t2v"]),
        ("status=partial", ["sd15"]),
        ("status=installed,damaged", []),
        ("tag=fp8&tag=lightning", ["wan-2.2-t2v"]),
        ("tag=FP8", ["flux-dev", "wan-2.2-t2v", "wan-2.10"]),
        ("gated=true", ["flux-dev"]),
        ("gated=0&category=image", ["sd15"]),
        ("q=flux", ["flux-dev", "sd15"]),
        ("q=FLUX_DEV_BASIC", ["flux-dev"]),
        ("q=wan2.2", ["wan-2.2-t2v"]),
        ("q=wan+t2v", ["wan-2.2-t2v"]),
        ("q=flux1-dev.safetensors", ["flux-dev"]),
        ("q=stable+nothing", []),
        ("q=%28%5B*", []),
        ("utm_source=x&category=&q=+&sort=", ["ace-step", "flux-dev", "sd15", "wan-2.2-t2v", "wan-2.10"]),
        ("offset=100", []),
    ],
)
def test_questions_and_answers(text: str, expected: list[str]):
    """Filters narrow, words rank, minus turns round, names break ties."""
    assert ask(text) == expected


@pytest.mark.parametrize(
    "text",
    ["category=music", "status=gone", "gated=maybe", "sort=age", "sort=--name", "limit=0", "limit=501", "limit=x",
     "limit=-1", "limit=1e2", "limit=٣", "limit=" + "9" * 5000, "offset=-1", "offset=1000001", "q=" + "x" * 201],
)  # fmt: skip
def test_a_value_that_does_not_exist_is_named(text: str):
    """The refusal says which parameter, and what is allowed."""
    with pytest.raises(InvalidQuery) as caught:
        ask(text)
    assert caught.value.details["parameter"] == text.split("=", maxsplit=1)[0]
    assert len(caught.value.message) < 400


@given(
    st.lists(
        st.tuples(st.sampled_from(["q", "category", "tag", "limit", "sort", "x"]), st.text(max_size=30)), max_size=6
    )
)
def test_no_question_breaks_the_list(parameters: list[tuple[str, str]]):
    """Any text is answered or refused."""
    try:
        query = parse_query(parameters)
    except InvalidQuery:
        return
    assert select(CATALOG, STATES, query).total <= len(PRESETS)


@given(st.integers(1, 6), st.sampled_from([None, *Sort]), st.booleans(), st.sampled_from(["", "wan", "e"]))
def test_pages_are_a_partition(limit: int, sort: Sort | None, descending: bool, word: str):
    """Page after page shows every preset of the whole list once, in the same order."""

    def page(size: int, offset: int) -> PresetQuery:
        words = (word,) if word else ()
        return PresetQuery(words=words, sort=sort, descending=descending, limit=size, offset=offset)

    whole = select(CATALOG, STATES, page(500, 0))
    pages = [select(CATALOG, STATES, page(limit, offset)) for offset in range(0, whole.total, limit)]
    assert [each for one in pages for each in one.presets] == list(whole.presets)
    assert all(one.total == whole.total for one in pages)


def test_categories_are_counted_without_their_own_filter():
    """The numbers beside the category buttons say what a click would show."""
    found = select(CATALOG, STATES, parse_query([("category", "audio"), ("tag", "fp8")]))
    assert found.total == 0
    assert found.category_counts == {
        Category.VIDEO: 2, Category.IMAGE: 1, Category.AUDIO: 0, Category.THREE_D: 0, Category.TOOLS: 0,
    }  # fmt: skip


def test_better_places_come_first():
    """A word in the name outranks the same word in the description."""
    assert ask("q=flux")[0] == "flux-dev"
