"""What the tests of the engine share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engines import Engines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.store import Store


@pytest.fixture
def engines(store: Store) -> Iterator[Engines]:
    """Opens engines on the test's store."""
    opened = Engines(store)
    yield opened
    opened.close()
