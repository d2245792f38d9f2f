"""Who gets what next: pure functions of what waits, who asks, and what was served before.

Priorities come first, but a level that has waited ``LEVEL_PATIENCE_S`` for its turn gets one. Within a level owners share by
start-time fair queueing (Goyal, Vin, Cheng 1996): an owner's next job starts where the last one's cost ended, and someone
who was away gets no credit for it. Within that, a worker prefers jobs whose models it holds already, and leaves a job for a
while to another worker that holds them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

LEVEL_PATIENCE_S = 120.0
COLD_DELAY_S = 2.0  # about what loading a model costs at least; prototypes in notes/scale-out.md used the same
WARM_CREDIT = 3.0  # how many average jobs an owner may be ahead of others for the sake of a warm model
QUEUE_PATIENCE_S = 30.0  # after this an owner's oldest job is not passed by warm ones any more


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that must be on offer for an input of a node class: a model, a sampler, an input file."""

    class_type: str
    input: str
    value: str


@dataclass(frozen=True, slots=True)
class Needs:
    """What a worker must have: node classes, and model files on their lists."""

    classes: frozenset[str] = frozenset()
    choices: frozenset[Choice] = frozenset()


@dataclass(frozen=True, slots=True)
class Task:
    """A job as a dispatcher sees it.

    Args:
        order: Place among tasks of the same priority; lower is older.
        waiting_since_s: Monotonic seconds.
        models: Names of the weights it loads.
        cost: How much of an owner's share it uses; about the number of takes.
        pinned: The only worker that may have it: it was begun there.
    """

    id: str
    owner_id: str
    priority: int
    order: int
    waiting_since_s: float
    needs: Needs = field(default_factory=Needs, repr=False)
    models: frozenset[str] = frozenset()
    cost: float = 1.0
    pinned: str | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker as it is now.

    Args:
        classes: Node classes that it has; None while that is not known, so that it gets only what is pinned to it.
        choices: By class and input, the values on offer.
        warm: Models that it holds in memory.
    """

    id: str
    takes_work: bool = True
    classes: frozenset[str] | None = None
    choices: Mapping[tuple[str, str], frozenset[str]] = field(
        default_factory=dict[tuple[str, str], frozenset[str]], repr=False
    )
    warm: frozenset[str] = frozenset()

    def can(self, task: Task) -> bool:
        """Tell whether it may have *task*."""
        if not self.takes_work:
            return False
        return task.pinned == self.id if task.pinned is not None else self.has(task)

    def has(self, task: Task) -> bool:
        """Tell whether it has what *task* needs, whether it takes work now or not."""
        if self.classes is None or not task.needs.classes <= self.classes:
            return False
        return all(
            choice.value in self.choices.get((choice.class_type, choice.input), frozenset[str]())
            for choice in task.needs.choices
        )

    def is_warm_for(self, task: Task) -> bool:
        """Tell whether every model of *task* is loaded; a task without models is warm everywhere."""
        return task.models <= self.warm


@dataclass(frozen=True, slots=True)
class Shares:
    """What was served: for each owner where the next job starts, the present virtual time, and each level's last turn."""

    starts: Mapping[str, float] = field(default_factory=dict[str, float])
    virtual: float = 0.0
    level_served_s: Mapping[int, float] = field(default_factory=dict[int, float])

    def start(self, owner_id: str) -> float:
        """Return the start tag of the owner's next job."""
        return max(self.virtual, self.starts.get(owner_id, 0.0))

    def charged(self, task: Task, others: Iterable[Task], now_s: float) -> Shares:
        """Return the shares after *task* was served; *others* wait still."""
        start = self.start(task.owner_id)
        waiting = {other.owner_id for other in others}
        # Virtual time is the least start among those who wait: a warm job that went first must not push the others back.
        virtual = min([start, *(self.start(owner) for owner in waiting)])
        starts = {owner: tag for owner, tag in self.starts.items() if tag > virtual}
        starts[task.owner_id] = start + task.cost
        return replace(
            self,
            starts=starts,
            virtual=max(self.virtual, virtual),
            level_served_s={**self.level_served_s, task.priority: now_s},
        )


def choose(
    waiting: Sequence[Task], worker: Worker, others: Collection[Worker], shares: Shares, now_s: float
) -> Task | None:
    """Return the task that *worker* should have next, None when there is none for it now.

    Args:
        others: Every other worker that is alive.
    """
    able = [task for task in waiting if worker.can(task) and not _is_left_to_another(task, worker, others, now_s)]
    if not able:
        return None
    level = _level(able, shares, now_s)
    heads = _heads([task for task in able if task.priority == level], worker, now_s)
    return min(heads, key=lambda task: (_tag(task, worker, shares), task.order))


def in_order(waiting: Sequence[Task], shares: Shares) -> list[Task]:
    """Return the tasks in the order in which they would be served if every model were warm everywhere."""
    queues: dict[int, dict[str, list[Task]]] = {}
    for task in sorted(waiting, key=lambda task: task.order):
        queues.setdefault(task.priority, {}).setdefault(task.owner_id, []).append(task)
    tags = {task.owner_id: shares.start(task.owner_id) for task in waiting}
    ordered: list[Task] = []
    for level in sorted(queues, reverse=True):
        ordered += _merged(queues[level], tags)
    return ordered


def next_look_s(waiting: Iterable[Task], now_s: float) -> float | None:
    """Return the seconds until a task stops being left to another worker, None when none is."""
    left = [task.waiting_since_s + COLD_DELAY_S - now_s for task in waiting]
    return min((seconds for seconds in left if seconds > 0), default=None)


def _merged(queues: Mapping[str, list[Task]], tags: dict[str, float]) -> list[Task]:
    import heapq

    heap = [(tags[owner], tasks[0].order, owner, 0) for owner, tasks in queues.items()]
    heapq.heapify(heap)
    merged: list[Task] = []
    while heap:
        tag, _, owner, place = heapq.heappop(heap)
        tasks = queues[owner]
        merged.append(tasks[place])
        tags[owner] = tag + tasks[place].cost
        if place + 1 < len(tasks):
            heapq.heappush(heap, (tags[owner], tasks[place + 1].order, owner, place + 1))
    return merged


def _is_left_to_another(task: Task, worker: Worker, others: Collection[Worker], now_s: float) -> bool:
    if worker.is_warm_for(task) or now_s - task.waiting_since_s >= COLD_DELAY_S:
        return False
    return any(other.id != worker.id and other.is_warm_for(task) and other.can(task) for other in others)


def _level(able: Sequence[Task], shares: Shares, now_s: float) -> int:
    """Return the priority whose turn it is: the highest, unless a lower one has waited too long for its turn."""
    oldest: dict[int, float] = {}
    for task in able:
        oldest[task.priority] = min(task.waiting_since_s, oldest.get(task.priority, task.waiting_since_s))
    waits_s = {
        level: now_s - max(since_s, shares.level_served_s.get(level, since_s)) for level, since_s in oldest.items()
    }
    overdue = [level for level, wait_s in waits_s.items() if wait_s >= LEVEL_PATIENCE_S]
    highest = max(oldest)
    if not overdue or highest in overdue:
        return highest
    return max(overdue, key=lambda level: (waits_s[level], level))


def _heads(tasks: Iterable[Task], worker: Worker, now_s: float) -> list[Task]:
    """Return of each owner the oldest task, or the oldest warm one while the oldest can wait."""
    heads: dict[str, Task] = {}
    warm: dict[str, Task] = {}
    for task in sorted(tasks, key=lambda task: task.order):
        heads.setdefault(task.owner_id, task)
        if worker.is_warm_for(task):
            warm.setdefault(task.owner_id, task)
    return [
        warm.get(owner, head) if now_s - head.waiting_since_s < QUEUE_PATIENCE_S else head
        for owner, head in heads.items()
    ]


def _tag(task: Task, worker: Worker, shares: Shares) -> float:
    credit = WARM_CREDIT if task.models and worker.is_warm_for(task) else 0.0
    return shares.start(task.owner_id) - credit
