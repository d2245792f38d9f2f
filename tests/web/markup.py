"""Read a page as a browser's parser would list it: elements with attributes, and what is wrong with the markup."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urlsplit

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_SELF_CLOSED = {"path", "circle", "rect", "use"}  # inside svg
_LOADS = {
    "src",
    "srcset",
    "poster",
    "data",
    "hx-get",
    "hx-post",
    "hx-put",
    "hx-patch",
    "hx-delete",
    "action",
    "formaction",
}


@dataclass
class Element:
    """One start tag."""

    tag: str
    attributes: dict[str, str]
    text: str = ""

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def get(self, name: str, default: str = "") -> str:
        return self.attributes.get(name, default)


@dataclass
class Page(HTMLParser):
    """A parsed page or part of one."""

    elements: list[Element] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    @classmethod
    def read(cls, html: str) -> Self:
        page = cls()
        HTMLParser.__init__(page, convert_charrefs=True)
        page.feed(html)
        page.close()
        page.problems += [f"<{element.tag}> is never closed" for element in page._open]
        ids = Counter(element.get("id") for element in page.elements if element.get("id"))
        page.problems += [f"the id {name} is given {count} times" for name, count in ids.items() if count > 1]
        page.problems += page._dangling(set(ids))
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = Counter(name for name, _ in attrs)
        self.problems += [f"<{tag}> has {name} twice" for name, count in names.items() if count > 1]
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.problems.append(f"</{tag}> does not close <{self._open[-1].tag if self._open else 'nothing'}>")
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str = "", **wanted: str) -> list[Element]:
        """Return elements by tag and attributes; ``hx_post`` means ``hx-post``."""
        pairs = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        return [
            element
            for element in self.elements
            if (not tag or element.tag == tag) and all(element.attributes.get(k) == v for k, v in pairs.items())
        ]

    def one(self, tag: str = "", **wanted: str) -> Element:
        found = self.all(tag, **wanted)
        assert len(found) == 1, f"{len(found)} elements <{tag}> with {wanted}"
        return found[0]

    def by_id(self, name: str) -> Element:
        return self.one(id=name)

    def ids(self) -> set[str]:
        return {element.get("id") for element in self.elements} - {""}

    def foreign_loads(self) -> list[str]:
        """Return every address that the browser would load from, or send to, another host."""
        loads = [
            value
            for element in self.elements
            for name, value in element.attributes.items()
            if name in _LOADS or (name == "href" and element.tag in ("link", "use", "image"))
        ]
        return [value for value in loads if urlsplit(value).netloc or value.startswith("data:")]

    def inline_code(self) -> list[str]:
        """Return what a strict policy forbids: inline scripts, styles and handlers."""
        found = [f"<{e.tag} style>" for e in self.elements if "style" in e.attributes]
        found += [f"<{e.tag} {name}>" for e in self.elements for name in e.attributes if name.startswith("on")]
        found += [f"<{e.tag} {name}>" for e in self.elements for name in e.attributes if name.startswith("hx-on")]
        found += ["<style>" for _ in self.all("style")]
        found += ["inline <script>" for e in self.all("script") if not e.get("src") or e.text.strip()]
        return found

    def _dangling(self, ids: set[str]) -> list[str]:
        pointers = ("aria-labelledby", "aria-describedby", "aria-controls", "for", "form", "popovertarget")
        return [
            f"{name}={target} of <{element.tag}> points nowhere"
            for element in self.elements
            for name in pointers
            for target in element.get(name).split()
            if target not in ids
        ]
