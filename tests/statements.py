"""The SQL statements that Run Manager sends to the database, to be counted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.service import RunManager


@contextmanager
def recorded(manager: RunManager) -> Iterator[list[str]]:
    """The statements sent inside the block; BEGIN and COMMIT, which the driver sends, are not."""
    statements: list[str] = []

    def record(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        statements.append(statement)

    engine = manager._access.database._engine
    sa.event.listen(engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        sa.event.remove(engine, "before_cursor_execute", record)
