"""Checkpoints and stored values: every one on one page, whatever keys their tables have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.paging import PageRequest

if TYPE_CHECKING:
    from runmanager.records import Actor
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


@pytest.mark.parametrize("is_partitioned", [False, True])
def test_pages_have_every_row_once_where_a_table_has_lost_its_key(
    host: HostWriter, open_manager: OpenManager, admin: Actor, is_partitioned: bool
) -> None:
    for table in ("checkpoints", "checkpoint_blobs"):
        host.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey")
        if is_partitioned:
            host.execute(
                f"ALTER TABLE {table} RENAME TO {table}_1;"
                f"CREATE TABLE {table} (LIKE {table}_1 INCLUDING ALL) PARTITION BY LIST (type);"
                f"ALTER TABLE {table}_1 ALTER type DROP NOT NULL;"
                f"ALTER TABLE {table} ALTER type DROP NOT NULL;"
                f"ALTER TABLE {table} ATTACH PARTITION {table}_1 DEFAULT"
            )
    host.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, parent_checkpoint_id, checkpoint)"
        " SELECT 'r', 'c', n, '{}' FROM generate_series(1, 200) n;"
        "INSERT INTO checkpoint_blobs (thread_id, channel, version, type)"
        " SELECT 'r', 'state', '1', 't' || n FROM generate_series(1, 200) n"
    )
    manager = open_manager()
    pages = [PageRequest(number, 20) for number in range(1, 11)]
    checkpoints = [one for p in pages for one in manager.reviewing.checkpoints(admin, "r", p).items]
    blobs = [one for page in pages for one in manager.reviewing.blobs(admin, "r", page).items]
    assert len({one.parent_id for one in checkpoints}) == 200
    assert len({one.type for one in blobs}) == 200
    assert manager.reviewing.checkpoint(admin, "r", "", "c").summary.checkpoint_id == "c"
