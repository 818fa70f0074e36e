"""One process for all the short forms: they attack it one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.target import target_on

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Server
    from tests.security.target import Instance, Target


@pytest.fixture(scope="session")
def target(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A host with private runs, on the worker's server."""
    found = target_on(server, tmp_path_factory.mktemp("attacked"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def instance(target: Target) -> Instance:
    """A process that serves it."""
    return target.serve()


@pytest.fixture(scope="session")
def other_instance(target: Target) -> Instance:
    """Another process on the same host and the same store."""
    return target.serve()
