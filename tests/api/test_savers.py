"""The API on the tables of every saver: what they do not say is null, and nothing is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.savers import BARE, STEPS, Saver, every_saver

if TYPE_CHECKING:
    from tests.api.conftest import Caller
    from tests.hosts import HostWriter


@pytest.fixture
def runs(host: HostWriter, saver: Saver) -> list[str]:
    """Two runs, of which the saver has kept the same."""
    return saver.add_runs(host)


@every_saver
def test_checkpoints_and_values_of_any_saver_are_answered_and_deleted(
    runs: list[str], saver: Saver, caller: Caller, host: HostWriter
) -> None:
    run, stays = runs
    found = caller.json(f"/runs/{run}/checkpoints")
    assert found["total"] == STEPS
    assert [one["id"] for one in found["checkpoints"]] == list(saver.ids)[::-1]
    for one in found["checkpoints"]:
        opened = caller.json(
            f"/runs/{run}/checkpoints/{quote(one['key'], safe='')}", namespace=one["namespace"]
        )
        assert {name: opened[name] for name in one} == one
        assert (opened["state"] is not None) == (opened["metadata"] is not None) == saver.is_json
        assert (opened["state_bytes"] is None) == (saver is BARE)
        assert len(opened["written"]) == (one["writes"] or 0)
    blobs = caller.json(f"/runs/{run}/blobs")
    assert [one["version"] for one in blobs["blobs"]] == list(saver.versions)
    caller.json(f"/runs/{run}/checkpoints/gone", 404)

    assert caller.delete(run) == {"deleted_count": 1, "failed": []}
    caller.json(f"/runs/{run}/checkpoints", 404)
    assert {host.count(table, run) for table in saver.tables} == {0}
    assert all(host.count(table, stays) for table in saver.tables)
