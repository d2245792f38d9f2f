"""Docker for a session, the four variants built once, and one running container of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.images.build import VARIANTS, Images, build
from tests.images.container import Container
from tests.images.engine import ENVIRON, Engine, EngineMissing, bring_up, client, put_down

Run = Callable[..., Container]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything below this folder, and give building and booting their time."""
    for item in items:
        if "/images/" in str(item.path):
            item.add_marker("images")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(1800))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test for the variant that promises something and for all that are built on it."""
    if "variant" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("since")
        since = marker.args[0] if marker else VARIANTS[0]
        metafunc.parametrize("variant", VARIANTS[VARIANTS.index(since) :], scope="session")


@pytest.fixture(scope="session")
def buildx() -> Engine:
    """A Docker whose buildx can plan; no daemon is needed."""
    return _up(client)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker that builds and runs; HEARTH_SKIP_IMAGES=1 leaves all this out, and says so."""
    found = _up(bring_up)
    yield found
    put_down(found)


@pytest.fixture(scope="session")
def images(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """The four variants for the CPU."""
    return build(engine, tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="session")
def running(engine: Engine, images: Images) -> Iterator[Callable[[str], Container]]:
    """Return the container of a variant that runs on a fresh volume with ComfyUI up; nobody may harm it."""
    with ExitStack() as stack:
        started: dict[str, Container] = {}

        def of(variant: str) -> Container:
            if variant not in started:
                started[variant] = stack.enter_context(Container(engine, images.tag(variant)))
                started[variant].wait_for_comfyui()
                started[variant].start_log = started[variant].logs()
            return started[variant]

        yield of


@pytest.fixture
def run(engine: Engine, images: Images) -> Iterator[Run]:
    """Start a container of one's own: ``run("-v", ..., variant="minimal", NAME="value")``."""
    with ExitStack() as stack:

        def start(*options: str, variant: str = "minimal", **environ: str) -> Container:
            return stack.enter_context(Container(engine, images.tag(variant), *options, **environ))

        yield start


@pytest.fixture
def volume(engine: Engine) -> Iterator[str]:
    """An empty named volume."""
    name = engine.out("volume", "create")
    yield name
    engine.run("volume", "rm", "-f", name, check=False)


def _up(how: Callable[[], Engine]) -> Engine:
    if ENVIRON.get("HEARTH_SKIP_IMAGES") == "1":
        pytest.skip("HEARTH_SKIP_IMAGES=1: the images are neither built nor run")
    try:
        return how()
    except EngineMissing as error:
        pytest.fail(str(error), pytrace=False)
