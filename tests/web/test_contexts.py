"""What templates may show is written down, and nothing else reaches them."""

from __future__ import annotations

import dataclasses
import typing

import jinja2
import pytest
from jinja2 import meta, nodes

from backend.web import contexts, gallery_contexts, generate_contexts, service_contexts
from backend.web.assets import Assets, icon_names
from backend.web.contexts import Context, Frame
from backend.web.rendering import TEMPLATES, build_environment


@pytest.fixture(scope="module")
def environment() -> jinja2.Environment:
    return build_environment(Assets.load(), icon_names())


# By name: a class with slots leaves its slotless twin behind in __subclasses__().
CLASSES = [
    kind
    for _, kind in sorted(
        {**vars(contexts), **vars(gallery_contexts), **vars(generate_contexts), **vars(service_contexts)}.items()
    )
    if isinstance(kind, type) and issubclass(kind, Context) and kind is not Context
]


def _asked_for(environment: jinja2.Environment, template: str, layout: str) -> set[str]:
    """Collect the names that *template* and everything it extends or includes ask its context for."""
    source = (TEMPLATES / template).read_text("utf-8")
    tree = environment.parse(source)
    # Blocks see what their template imports and defines outside of them; the analysis of jinja does not.
    names = set(meta.find_undeclared_variables(tree)) - set(environment.globals) - _defined_in(tree)
    for include in tree.find_all(nodes.Include):
        assert isinstance(include.template, nodes.Const)
        names |= _asked_for(environment, include.template.value, layout) - _set_around(tree)
    if next(tree.find_all(nodes.Extends), None) is not None:
        names |= _asked_for(environment, layout, layout)
    return names


def _defined_in(tree: nodes.Template) -> set[str]:
    imported = {node.target for node in tree.find_all(nodes.Import)}
    named = {
        name if isinstance(name, str) else name[1] for node in tree.find_all(nodes.FromImport) for name in node.names
    }
    assigned = {
        node.target.name
        for node in tree.find_all((nodes.Assign, nodes.AssignBlock))
        if isinstance(node.target, nodes.Name)
    }
    return imported | named | assigned | {macro.name for macro in tree.find_all(nodes.Macro)}


def _set_around(tree: nodes.Template) -> set[str]:
    """Return names that loops of *tree* set, which included templates may see."""
    return {name.name for loop in tree.find_all(nodes.For) for name in loop.target.find_all(nodes.Name)} | {
        loop.target.name for loop in tree.find_all(nodes.For) if isinstance(loop.target, nodes.Name)
    }


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_template_asks_for_exactly_what_its_context_documents(
    environment: jinja2.Environment, kind: type[Context]
) -> None:
    """No name without a field, and no field that nobody shows."""
    own = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    frame = {field.name for field in dataclasses.fields(Frame)}
    layout = "layout_bare.html" if kind.nav == "" else "layout.html"
    asked = _asked_for(environment, kind.template, layout)
    if kind.is_part:
        assert asked == own
    else:
        assert asked - frame == own
        assert asked >= own


@pytest.mark.parametrize("kind", [*CLASSES, Frame], ids=lambda kind: kind.__name__)
def test_every_field_says_what_it_means(kind: type) -> None:
    """One sentence beside the type."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in dataclasses.fields(kind):
        metadata = getattr(hints[field.name], "__metadata__", ())
        assert [text[-1] for text in metadata] == ["."], f"{kind.__name__}.{field.name}"


def test_every_template_is_used(environment: jinja2.Environment) -> None:
    """Nothing lies around: each one is a context's, a layout, or included or imported by another."""
    used = {kind.template for kind in CLASSES} | {"layout.html", "layout_fragment.html", "layout_bare.html"}
    used |= {"components/toast.html"}
    for name in environment.list_templates():
        tree = environment.parse((TEMPLATES / name).read_text("utf-8"))
        for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport)):
            assert isinstance(node.template, nodes.Const)
            used.add(node.template.value)
    assert set(environment.list_templates()) == used


def test_every_icon_of_the_sprite_is_shown_somewhere() -> None:
    """The sprite carries no dead weight, and a name that it lacks stops a page from rendering."""
    sources = "".join(path.read_text("utf-8") for path in TEMPLATES.rglob("*.html"))
    sources += "".join(path.read_text("utf-8") for path in (TEMPLATES.parent.parent / "backend" / "web").glob("*.py"))
    assert sorted(name for name in icon_names() if f'"{name}"' not in sources) == []


def test_contexts_are_the_only_way_to_values() -> None:
    """The module offers the classes and one reader."""
    assert contexts.fields_of(contexts.NavItem("a", "b", "c", "d")) == {
        "key": "a",
        "href": "b",
        "label": "c",
        "icon": "d",
    }
