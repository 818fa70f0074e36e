"""References that a deletion clears in rows which stay, written down before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from runmanager.archive.rows_file import RowsFile
    from runmanager.host.values import Host


def write_references(
    connection: sa.Connection, host: Host, thread_ids: Sequence[str], into: RowsFile
) -> None:
    """Write the references to rows of ``thread_ids`` that the database clears into their file."""
    del connection, host, thread_ids, into  # comes with the archive's next part
