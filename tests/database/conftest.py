"""What tests of the engine, of lost connections and of object stores share."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.archives import make_bucket, s3, s3_environment
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


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    """An S3 of this machine's own; its address."""
    with s3() as address:
        yield address


@pytest.fixture
def bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket; its address."""
    for name, value in s3_environment(s3_address).items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid.uuid4().hex}"
    make_bucket(name)
    return f"s3://{name}/folder"
