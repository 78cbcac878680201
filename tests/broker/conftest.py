"""One broker of a city for this folder's tests, and one whose devices show certificates."""

import os
from collections.abc import Iterator

import pytest

from curbwatch.parts import Servers
from tests.broker.city import City, city


@pytest.fixture(scope="session")
def yanjiang(servers: Servers) -> Iterator[City]:
    """Devices log in with passwords. The servers are asked for, because they bring the packages."""
    with city(f"test-{os.getpid()}-city") as made:
        yield made


@pytest.fixture(scope="session")
def mutual(servers: Servers) -> Iterator[City]:
    """Devices show certificates."""
    with city(f"test-{os.getpid()}-mutual", mutual=True) as made:
        yield made
