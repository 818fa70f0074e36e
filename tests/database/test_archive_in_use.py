"""Every kind of place in use: what is deleted into it comes back from it, and is purged in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.errors import OperationStateError
from runmanager.records import DeletionReceipt, OperationState, RestorePlan
from tests.operations import deleted, errors, in_batches_of, until

if TYPE_CHECKING:
    from pathlib import Path

    from runmanager.records import Actor, OperationView
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter


@pytest.fixture(params=["local", "s3"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What RUNMANAGER_ARCHIVE says, for each kind of place where rows can be kept."""
    return str(request.getfixturevalue("bucket") if request.param == "s3" else tmp_path / "kept")


def ended(manager: RunManager, admin: Actor, begun: OperationView | RestorePlan) -> OperationView:
    """What was begun, once it has finished."""
    assert not isinstance(begun, RestorePlan), begun
    one = begun.operation_id
    until(lambda: manager.operations.view(admin, one).is_over, seconds=60)
    view = manager.operations.get(admin, one)
    assert view.state is OperationState.FINISHED
    return view


def test_what_is_deleted_into_any_place_comes_back_and_once_it_is_purged_does_not(
    host: HostWriter,
    open_manager: OpenManager,
    admin: Actor,
    archive: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_batches_of(4, monkeypatch)
    manager = open_manager(archive=archive)
    runs = host.add_runs(10)
    before = host.contents()

    def delete() -> OperationView:
        plan = manager.deleting.plan(admin, runs)
        view = ended(manager, admin, manager.deleting.start(admin, plan))
        assert isinstance(view.receipt, DeletionReceipt)
        assert (deleted(view.receipt), errors(view.receipt)) == (set(runs), {})
        return view

    first = delete()
    back = ended(manager, admin, manager.operations.undo(admin, first.operation_id))
    assert back.receipt is not None
    assert {run.thread_id for run in back.receipt.done} == set(runs)
    assert host.contents() == before

    second = delete()
    assert (second.archive_bytes or 0) > 0
    gone = host.contents()
    ended(manager, admin, manager.operations.purge(admin, second.operation_id))
    view = manager.operations.get(admin, second.operation_id)
    assert view.purged_at is not None
    assert isinstance(view.receipt, DeletionReceipt)
    assert deleted(view.receipt) == set(runs)
    with pytest.raises(OperationStateError):
        manager.operations.restore(admin, second.operation_id)
    assert host.contents() == gone
    # Of another deletion nothing was purged.
    kept = manager._keeping.folder(first.operation_id).names()
    assert [name for name in kept if name.endswith(".sql.zst")]
