"""Who sends a page's statements: the page itself, or what is drawn after its list."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runmanager.service import RunManager


@contextmanager
def recorded_here(manager: RunManager) -> Iterator[list[str]]:
    """The statements that the page itself sends inside the block."""
    statements: list[str] = []

    def note(statement: str, *, is_later: bool) -> None:
        if not is_later:
            statements.append(statement)

    with _told(manager, note):
        yield statements


@contextmanager
def recorded_later(manager: RunManager) -> Iterator[list[str]]:
    """The statements that are sent inside the block for what is drawn after the list."""
    statements: list[str] = []

    def note(statement: str, *, is_later: bool) -> None:
        if is_later:
            statements.append(statement)

    with _told(manager, note):
        yield statements


@contextmanager
def in_order(manager: RunManager) -> Iterator[list[bool]]:
    """For each statement inside the block, in their order, whether it is sent after the list."""
    order: list[bool] = []
    with _told(manager, lambda _statement, *, is_later: order.append(is_later)):
        yield order


@contextmanager
def as_soon_as_asked_later(manager: RunManager, deed: Callable[[], object]) -> Iterator[None]:
    """Do ``deed`` once, just before the first statement for what is drawn after the list."""
    lock = threading.Lock()
    done: list[object] = []

    def note(_statement: str, *, is_later: bool) -> None:
        with lock:
            if is_later and not done:
                done.append(deed())

    with _told(manager, note):
        yield
    assert done


@contextmanager
def _told(manager: RunManager, note: Callable[..., None]) -> Iterator[None]:
    def record(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        note(statement, is_later=threading.current_thread().name.startswith("later"))

    engine = manager._access.database._engine
    sa.event.listen(engine, "before_cursor_execute", record)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", record)
