"""The fixtures of the end-to-end tests; a folder's conftest.py imports those it offers.

The shared gateway and origin live as long as the test session: a test that uses them takes paths of its own, so that
its archives are its own.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import Origin
from tests.support.unzippers import Readers

Launch = Callable[..., Gateway]


@pytest.fixture(scope="session")
def origin() -> Iterator[Origin]:
    """A scripted origin that every gateway of these fixtures may dial."""
    with Origin() as origin:
        yield origin


@pytest.fixture(scope="session")
def gateway(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A running gateway with its defaults, shared."""
    with Gateway(tmp_path_factory.mktemp("gateway") / "data", allow=[origin.authority]) as gateway:
        yield gateway


@pytest.fixture
def launch(origin: Origin, tmp_path: Path) -> Iterator[Launch]:
    """Starts gateways of the test's own: `launch("name", allow=[…], prefetch="urls")`, its data in a folder of that
    name.
    """
    with ExitStack() as stack:

        def start(name: str = "data", *, allow: list[str] | None = None, **env: str) -> Gateway:
            gateway = Gateway(tmp_path / name, allow=[origin.authority, *(allow or [])], **env)
            return stack.enter_context(gateway)

        yield start


@pytest.fixture(scope="session")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Readers:
    """Other people's readers of zip files."""
    return Readers(tmp_path_factory.mktemp("java"))
