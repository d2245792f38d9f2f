"""Who gets what next, for any queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from backend.generation.dispatch.policy import (
    COLD_DELAY_S,
    LEVEL_PATIENCE_S,
    QUEUE_PATIENCE_S,
    WARM_CREDIT,
    Choice,
    Needs,
    Shares,
    Task,
    Worker,
    choose,
    in_order,
)

NOW_S = 1000.0
MODELS = ("red", "green", "blue")


def task(number: int, owner: str = "alice", priority: int = 0, age_s: float = 0.0, **more: object) -> Task:
    return Task(str(number), owner, priority, number, NOW_S - age_s, **more)  # type: ignore[arg-type]


def needs(*models: str) -> Needs:
    return Needs(frozenset({"Loader"}), frozenset(Choice("Loader", "name", model) for model in models))


def worker(name: str = "one", *models: str, warm: Sequence[str] = (), takes_work: bool = True) -> Worker:
    offer = {("Loader", "name"): frozenset(models or MODELS)}
    return Worker(name, takes_work, frozenset({"Loader"}), offer, frozenset(warm))


@st.composite
def queues(draw: st.DrawFn) -> list[Task]:
    made = []
    for number in range(draw(st.integers(0, 12))):
        model = draw(st.sampled_from(MODELS))
        made.append(
            task(
                number,
                draw(st.sampled_from(["alice", "bob", "carol"])),
                draw(st.integers(-2, 2)),
                draw(st.floats(0, 500)),
                needs=needs(model),
                models=frozenset({model}),
                pinned=draw(st.sampled_from([None, None, "one", "two"])),
            )
        )
    return made


@st.composite
def workers(draw: st.DrawFn, name: str) -> Worker:
    models = draw(st.lists(st.sampled_from(MODELS), min_size=1, unique=True))
    warm = draw(st.lists(st.sampled_from(models), max_size=1))
    return worker(name, *models, warm=warm, takes_work=draw(st.booleans()))


@given(queues(), workers("one"), workers("two"))
def test_nothing_goes_where_it_cannot_run(queue: list[Task], one: Worker, two: Worker) -> None:
    """Neither to a worker without the node or model, nor to one that takes no work, nor away from where it was begun."""
    chosen = choose(queue, one, [two], Shares(), NOW_S)
    if chosen is not None:
        assert one.takes_work
        assert chosen.pinned in (None, "one")
        assert chosen.pinned == "one" or one.can(chosen)


@given(queues(), workers("one"))
def test_a_worker_is_idle_only_when_nothing_suits(queue: list[Task], one: Worker) -> None:
    """With nobody else about."""
    chosen = choose(queue, one, [], Shares(), NOW_S)

    assert (chosen is None) == (not any(one.can(each) for each in queue))


@given(queues(), st.randoms())
def test_the_choice_does_not_hang_on_the_order_of_the_list(queue: list[Task], random: object) -> None:
    """Only on what the tasks say."""
    shuffled = [*queue]
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert choose(queue, worker(), [], Shares(), NOW_S) == choose(shuffled, worker(), [], Shares(), NOW_S)


def served(queue: list[Task], one: Worker, step_s: float = 0.0) -> list[Task]:
    """Serve *queue* to its end and return the order."""
    shares, order, now_s = Shares(), [], NOW_S
    waiting = [*queue]
    while (chosen := choose(waiting, one, [], shares, now_s)) is not None:
        waiting.remove(chosen)
        shares = shares.charged(chosen, waiting, now_s)
        order.append(chosen)
        now_s += step_s
    return order


@given(queues())
def test_everything_is_served_once(queue: list[Task]) -> None:
    """Whatever the queue."""
    mine = [each for each in queue if worker().can(each)]

    assert sorted(each.id for each in served(queue, worker())) == sorted(each.id for each in mine)


@given(st.integers(1, 30), st.integers(1, 30))
def test_owners_take_turns(of_alice: int, of_bob: int) -> None:
    """As long as both wait, neither is ahead by more than one, however much each has queued."""
    queue = [task(number, "alice") for number in range(of_alice)]
    queue += [task(of_alice + number, "bob") for number in range(of_bob)]
    counts: Counter[str] = Counter()
    for each in served(queue, worker())[: 2 * min(of_alice, of_bob)]:
        counts[each.owner_id] += 1
        assert abs(counts["alice"] - counts["bob"]) <= 1


@given(st.lists(st.sampled_from(["alice", "bob"]), min_size=2, max_size=40))
def test_a_warm_model_bends_fairness_only_so_far(owners: list[str]) -> None:
    """An owner whose model is loaded may be ahead by the credit and one, as long as both wait."""
    queue = [
        task(number, owner, models=frozenset({"red" if owner == "alice" else "blue"}))
        for number, owner in enumerate(owners)
    ]
    counts: Counter[str] = Counter()
    total = Counter(owners)
    for each in served(queue, worker(warm=["red"])):
        counts[each.owner_id] += 1
        if all(counts[owner] < total[owner] for owner in ("alice", "bob")):
            assert abs(counts["alice"] - counts["bob"]) <= WARM_CREDIT + 1


def test_whoever_was_away_gets_no_credit_for_it() -> None:
    """After a long time alone, a newcomer shares evenly from now on instead of catching up."""
    shares = Shares()
    for number in range(20):
        shares = shares.charged(task(number, "alice"), [task(99, "alice")], NOW_S)
    waiting = [task(number, owner) for number, owner in enumerate(["bob"] * 4 + ["alice"] * 4, start=100)]
    order = []
    while (chosen := choose(waiting, worker(), [], shares, NOW_S)) is not None:
        waiting.remove(chosen)
        shares = shares.charged(chosen, waiting, NOW_S)
        order.append(chosen.owner_id)

    assert abs(order[:4].count("bob") - order[:4].count("alice")) <= 2


@given(queues())
def test_higher_priorities_go_first(queue: list[Task]) -> None:
    """While nothing has waited too long for its turn."""
    fresh = [Task(each.id, each.owner_id, each.priority, each.order, NOW_S, models=each.models) for each in queue]
    levels = [each.priority for each in served(fresh, worker())]

    assert levels == sorted(levels, reverse=True)


def test_a_level_that_waits_long_gets_a_turn() -> None:
    """One, and then the higher ones go on."""
    queue = [task(number, "alice", priority=5) for number in range(300)]
    queue.append(task(999, "bob", priority=-5))
    order = [each.id for each in served(queue, worker(), step_s=1.0)]

    assert order.index("999") == LEVEL_PATIENCE_S


def test_a_warm_job_goes_first_while_the_oldest_can_wait() -> None:
    """An owner's own jobs are grouped by model, for a while."""
    cold = task(1, models=frozenset({"blue"}))
    warm = task(2, models=frozenset({"red"}))
    old = task(1, age_s=QUEUE_PATIENCE_S, models=frozenset({"blue"}))

    assert choose([cold, warm], worker(warm=["red"]), [], Shares(), NOW_S) == warm
    assert choose([old, warm], worker(warm=["red"]), [], Shares(), NOW_S) == old


def test_a_job_is_left_to_the_worker_that_holds_its_model() -> None:
    """For a short time, and only while that worker takes work."""
    fresh, waited = (task(1, age_s=age_s, needs=needs("red"), models=frozenset({"red"})) for age_s in (0, COLD_DELAY_S))
    warm = worker("two", warm=["red"])

    assert choose([fresh], worker(), [warm], Shares(), NOW_S) is None
    assert choose([fresh], warm, [worker()], Shares(), NOW_S) == fresh
    assert choose([waited], worker(), [warm], Shares(), NOW_S) == waited
    assert choose([fresh], worker(), [worker("two", warm=["red"], takes_work=False)], Shares(), NOW_S) == fresh


def test_a_worker_of_which_nothing_is_known_gets_what_was_begun_there_alone() -> None:
    """It may lack anything else."""
    unknown = Worker("one")

    assert choose([task(1), task(2, pinned="one")], unknown, [], Shares(), NOW_S) == task(2, pinned="one")


@given(queues())
def test_places_are_those_in_which_jobs_are_served(queue: list[Task]) -> None:
    """Of a queue in which every model is warm, or none counts."""
    plain = [Task(each.id, each.owner_id, each.priority, each.order, NOW_S) for each in queue]

    assert in_order(plain, Shares()) == served(plain, worker())
