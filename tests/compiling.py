"""Lets all engines of a test process share what SQLAlchemy has compiled.

Each test opens engines of its own, and each would compile the same few hundred statements anew:
in a sample of tests of the database that took a quarter of Python's own time.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.util import LRUCache

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATEMENTS = 3000


class _Shared(LRUCache[Any, Any]):
    """Statements by the kind of database they are for, not by the engine that asked first."""

    def get(self, key: Any, default: Any = None) -> Any:
        """What was compiled for this kind of database."""
        return super().get(_of_a_kind(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_of_a_kind(key), value)


@contextmanager
def compiled_once() -> Iterator[None]:
    """Inside the block, let every new engine use what another has compiled."""
    shared = _Shared(_STATEMENTS)
    real = Engine.__init__

    def __init__(engine: Engine, *values: Any, **options: Any) -> None:  # noqa: N807
        real(engine, *values, **options)
        engine._compiled_cache = shared

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "__init__", __init__)
        yield


def _of_a_kind(key: tuple[Any, ...]) -> tuple[Any, ...]:
    dialect, *rest = key
    return (dialect.name, dialect.server_version_info, *rest)
