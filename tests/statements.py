"""The SQL statements that Run Manager sends to the database, to be counted or explained."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runmanager.service import RunManager


@contextmanager
def recorded(manager: RunManager) -> Iterator[list[str]]:
    """The statements sent inside the block; BEGIN and COMMIT, which the driver sends, are not."""
    statements: list[str] = []
    with _told(manager, lambda statement, _values: statements.append(statement)):
        yield statements


@contextmanager
def recorded_with_values(manager: RunManager) -> Iterator[list[tuple[str, Any]]]:
    """Those statements, each with the values that were bound to it."""
    sent: list[tuple[str, Any]] = []
    with _told(manager, lambda statement, values: sent.append((statement, values))):
        yield sent


@contextmanager
def _told(manager: RunManager, note: Callable[[str, Any], None]) -> Iterator[None]:
    def record(_connection: Any, _cursor: Any, statement: str, values: Any, *_others: Any) -> None:
        note(statement, values)

    engine = manager._access.database._engine
    sa.event.listen(engine, "before_cursor_execute", record)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", record)
