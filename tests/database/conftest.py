"""What tests of the engine share, and those of lost connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cutting import cutting
from tests.engines import Engines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.service import RunManager
    from runmanager.store import Store
    from tests.conftest import OpenManager
    from tests.cutting import Cut
    from tests.hosts import HostWriter


@pytest.fixture
def engines(store: Store) -> Iterator[Engines]:
    """Opens engines on the test's store."""
    opened = Engines(store)
    yield opened
    opened.close()


@pytest.fixture
def cut_way(
    host: HostWriter, open_manager: OpenManager, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunManager, Cut]]:
    """Run Manager on a way that can be cut."""
    with cutting(host.url, tmp_path_factory.mktemp("way")) as (url, cut):
        yield open_manager(url), cut
