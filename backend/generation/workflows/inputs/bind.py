"""Put values into the graph of a workflow: every one checked first, all complaints at once."""

from __future__ import annotations

import difflib
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from backend.errors import JSON
from backend.generation.workflows.document import Graph
from backend.generation.workflows.errors import InvalidInputs
from backend.generation.workflows.inputs.check import Unfit, checked, checked_seed, is_random
from backend.generation.workflows.inputs.choices import draw_choices
from backend.generation.workflows.inputs.field import Field, Kind, Role
from backend.generation.workflows.inputs.schema import MAX_BATCH, SIZE_PATTERN
from backend.generation.workflows.reading import as_int, as_mapping

# What ComfyUI's front end draws from: large enough, and exact in every JSON reader (2^53 is the edge).
_SEED_LIMIT = 1 << 50
_dice = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Bound:
    """A graph ready to run, and the values that went into it: defaults, and the seeds that were drawn, included."""

    graph: dict[str, dict[str, JSON]]
    values: dict[str, JSON]
    seed: int | None = None


def bind(
    graph: Graph, fields: Iterable[Field], values: Mapping[str, JSON], *, dice: random.Random = _dice
) -> tuple[Bound, ...]:
    """Return one graph for each run that *values* ask for; the given graph is not changed.

    A seed of -1 or ``random`` is drawn. ``n`` runs with a given seed count upwards from it; ``seeds`` names them all.
    ``size`` sets width and height. Numbers and truth values may come as text, as forms send them. Choices within texts,
    such as ``{red|blue}``, are drawn anew for each run.

    Raises:
        InvalidInputs: Some values do not fit; ``details.fields`` maps each name to its reason.
    """
    request = _Request(tuple(fields), values)
    plain = request.plain()
    seeds = request.seeds(dice)
    if request.complaints:
        raise _invalid(request.complaints)
    return tuple(_bound(graph, request.fields, {**request.drawn(plain, dice), **drawn}) for drawn in seeds)


class _Request:
    """The values of one call while they are checked."""

    def __init__(self, fields: tuple[Field, ...], values: Mapping[str, JSON]) -> None:
        self.fields = fields
        self.complaints: dict[str, str] = {}
        self._by_name = {field.name: field for field in fields}
        self._values = dict(values)
        self._seed_fields = [field for field in fields if field.kind is Kind.SEED]
        self._unfold_size()
        for name in self._values.keys() - self._by_name.keys() - self._extra():
            self.complaints[name] = self._unknown(name)

    def plain(self) -> dict[str, JSON]:
        """Return the checked value of every field but the seeds; what was not given keeps its default."""
        found: dict[str, JSON] = {}
        for field in self.fields:
            if field.kind is Kind.SEED:
                continue
            if field.name not in self._values:
                if field.required:
                    self.complaints[field.name] = "is required"
                found[field.name] = field.default
                continue
            found[field.name] = self._fit(field, self._values[field.name])
        return found

    def drawn(self, plain: dict[str, JSON], dice: random.Random) -> dict[str, JSON]:
        """Return the values with the choices within texts made."""
        texts = {field.name: plain[field.name] for field in self.fields if field.draws}
        return plain | {name: draw_choices(text, dice) for name, text in texts.items() if isinstance(text, str)}

    def seeds(self, dice: random.Random) -> list[dict[str, JSON]]:
        """Return the values of the seeds for each run."""
        count = self._count()
        if not self._seed_fields:
            return [{}]
        first, *others = self._seed_fields
        listed = self._listed(first)
        rest: dict[str, JSON] = {field.name: self._one_seed(field, dice) for field in others}
        if listed is not None:
            if "n" in self._values and count != len(listed):
                self.complaints["n"] = f"is {count}, but there are {len(listed)} seeds"
            return [{**rest, first.name: seed} for seed in listed]
        given = self._values.get(first.name, first.default)
        if is_random(given):
            return [{**rest, first.name: _draw(first, dice)} for _ in range(count)]
        seed = self._one_seed(first, dice)
        if isinstance(seed, int) and first.maximum is not None and seed + count - 1 > first.maximum:
            self.complaints.setdefault(first.name, f"leaves no room for {count} seeds below {first.maximum}")
        return [{**rest, first.name: seed + step if isinstance(seed, int) else seed} for step in range(count)]

    def _extra(self) -> set[str]:
        return {"n", "seeds"} if self._seed_fields else set()

    def _count(self) -> int:
        if "n" not in self._values or "n" in self._by_name or not self._seed_fields:
            return 1
        count = as_int(self._values["n"])
        if count is None or not 1 <= count <= MAX_BATCH:
            self.complaints["n"] = f"must be a whole number from 1 to {MAX_BATCH}"
            return 1
        return count

    def _listed(self, field: Field) -> list[int] | None:
        seeds = self._values.get("seeds")
        if seeds is None or "seeds" in self._by_name:
            return None
        if not isinstance(seeds, Sequence) or isinstance(seeds, str) or not 1 <= len(seeds) <= MAX_BATCH:
            self.complaints["seeds"] = f"must be a list of 1 to {MAX_BATCH} whole numbers"
            return [0]
        try:
            return [checked_seed(field, seed) for seed in seeds]
        except Unfit as unfit:
            self.complaints["seeds"] = str(unfit)
            return [0]

    def _one_seed(self, field: Field, dice: random.Random) -> JSON:
        value = self._values.get(field.name, field.default)
        if is_random(value):
            return _draw(field, dice)
        if field.name not in self._values:
            return value
        try:
            return checked_seed(field, value)
        except Unfit as unfit:
            self.complaints[field.name] = str(unfit)
            return 0

    def _fit(self, field: Field, value: JSON) -> JSON:
        try:
            return checked(field, value)
        except Unfit as unfit:
            self.complaints[field.name] = str(unfit)
            return field.default

    def _unfold_size(self) -> None:
        sides = {field.role: field.name for field in reversed(self.fields) if field.role in (Role.WIDTH, Role.HEIGHT)}
        if "size" not in self._values or "size" in self._by_name or len(sides) < 2:
            return
        size = self._values.pop("size")
        if not isinstance(size, str) or re.match(SIZE_PATTERN, size) is None:
            self.complaints["size"] = "must read like 1024x768, or auto"
        elif size != "auto":
            width, height = size.split("x")
            self._values.setdefault(sides[Role.WIDTH], int(width))
            self._values.setdefault(sides[Role.HEIGHT], int(height))

    def _unknown(self, name: str) -> str:
        if name in ("n", "seeds"):
            return "is not possible: the workflow has no seed, so every run would give the same"
        close = difflib.get_close_matches(name, self._by_name, n=1)
        return "is no input of this workflow" + (f"; did you mean {close[0]}?" if close else "")


def _draw(field: Field, dice: random.Random) -> int:
    least = int(field.minimum or 0)
    greatest = _SEED_LIMIT if field.maximum is None else min(int(field.maximum), _SEED_LIMIT)
    return dice.randint(max(least, 0), max(greatest, least, 0))


def _bound(graph: Graph, fields: tuple[Field, ...], values: dict[str, JSON]) -> Bound:
    made: dict[str, dict[str, JSON]] = {
        node_id: {**node, "inputs": dict(as_mapping(node.get("inputs")))} for node_id, node in graph.items()
    }
    for field in fields:
        value = values[field.name]
        for target in field.targets:
            inputs = made[target.node_id]["inputs"]
            if isinstance(inputs, dict):
                inputs[target.input] = {"__value__": value} if isinstance(value, list) else value
    seed = next((values[field.name] for field in fields if field.kind is Kind.SEED), None)
    return Bound(made, values, seed if isinstance(seed, int) else None)


def _invalid(complaints: Mapping[str, str]) -> InvalidInputs:
    name, reason = next(iter(complaints.items()))
    more = f" (and {len(complaints) - 1} more)" if len(complaints) > 1 else ""
    return InvalidInputs(f"{name} {reason}{more}.", details={"fields": dict[str, JSON](complaints)})
