"""A guard on the test's host, and browsers without a screen that visit it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from runmanager.settings import Settings
from tests.entrance.browsing import Visitor
from tests.entrance.serving import serving
from tests.processes import COOKIE_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import OpenManager


class Serve(Protocol):
    """Serves the guard with some settings of its own; its address."""

    def __call__(self, base_path: str = "", **settings: Any) -> str:
        """It ends with the test."""


@pytest.fixture
def serve(open_manager: OpenManager) -> Iterator[Serve]:
    """Serves the guard on the test's host."""
    with ExitStack() as stack:

        def serve_one(base_path: str = "", **settings: Any) -> str:
            values = {"cookie_keys": (COOKIE_KEY,)} | settings
            manager = open_manager(**values)
            return stack.enter_context(serving(manager, Settings(**values), base_path))

        yield serve_one


@pytest.fixture
def visitor() -> Iterator[Callable[..., Visitor]]:
    """Opens browsers, each with cookies of its own."""
    with ExitStack() as stack:
        yield lambda url, account=None: stack.enter_context(Visitor(url, account))
