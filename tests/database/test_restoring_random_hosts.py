"""On hosts that nobody designed, what a deletion took and cleared is there again as it was."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, seed, settings

from runmanager.batches import KeptRowsError, RefusedError
from runmanager.errors import HostError
from tests.hosts import SHAPES, connect
from tests.random_hosts import Built, RandomHost, random_hosts
from tests.restoring import undoing

if TYPE_CHECKING:
    from tests.conftest import Server

# 32 hosts in all; `make fuzz` makes more.
SHARDS = 4
EXAMPLES = max(8, int(os.environ.get("RANDOM_HOSTS", "0")) // 20 // SHARDS)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_what_went_comes_back(server: Server, shard: int) -> None:
    @seed(shard)
    @settings(max_examples=EXAMPLES, database=None)
    @given(random_hosts())
    def check(host: RandomHost) -> None:
        # What a trigger deletes is not archived; rows of heirs come back into what they are heirs
        # of, which is said at the deletion.
        assume(host.is_pure and all(sheet.kind != "inherited" for sheet in host.sheets))
        server.add_role("random_host_role")
        name = server.create_empty()
        url = server.url(name, SHAPES[0])
        try:
            with connect(url) as connection:
                made = Built(host, connection)
                made.build()
                before = made.rows()
                with undoing(url, host.trace_tables) as undo:
                    try:
                        went = undo.delete(host.thread_ids)
                    except (RefusedError, KeptRowsError, HostError):
                        return
                    outcome = undo.restore(went)
                assert outcome.failed == {}
                assert made.rows() == before
        finally:
            server.drop(name)

    check()
