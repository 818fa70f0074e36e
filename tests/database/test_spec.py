"""What was confirmed, as it stands in the operation's folder: of this version or another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runmanager.deletion.spec import NAME, DeletionSpec
from runmanager.errors import OtherVersionError
from runmanager.records import OperationState
from tests.folders import MemoryFolder
from tests.operations import receipt_of, until

if TYPE_CHECKING:
    from runmanager.folders import Folder
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.hosts import HostWriter


def rewrite(folder: Folder, **changed: Any) -> None:
    """Let what stands there have these values too; None for one that it lacks."""
    values = json.loads(folder.read(NAME)) | changed
    kept = {name: value for name, value in values.items() if value is not None}
    kept["until"] = values["until"]
    folder.write(NAME, json.dumps(kept).encode())


def written(host: HostWriter, manager: RunManager, admin: Actor) -> tuple[DeletionSpec, Folder]:
    folder = MemoryFolder()
    spec = DeletionSpec.of(manager.deleting.plan(admin, [*host.add_runs(2), "none"]))
    spec.write(folder)
    return spec, folder


def test_what_is_written_is_read_and_so_is_what_was_written_without_a_format(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    spec, folder = written(host, manager, admin)
    assert DeletionSpec.read(folder) == spec
    rewrite(folder, format=None, counted=None)
    before = DeletionSpec.read(folder)
    assert before.counted is None
    assert (before.going, before.missing, before.shape) == (2, ("none",), spec.shape)


@pytest.mark.parametrize("newer", [{"format": 2}, {"sparing": ["run-1"]}], ids=["format", "key"])
def test_what_a_newer_version_wrote_is_refused_in_a_sentence(
    host: HostWriter, manager: RunManager, admin: Actor, newer: dict[str, Any]
) -> None:
    _spec, folder = written(host, manager, admin)
    rewrite(folder, **newer)
    with pytest.raises(OtherVersionError, match="newer version of Run Manager"):
        DeletionSpec.read(folder)


def test_a_deletion_of_a_newer_version_rests_and_says_so_until_that_one_goes_on(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    runs = host.add_runs(2)
    plan = manager.deleting.keep(admin, manager.deleting.plan(admin, runs))
    folder = manager._keeping.place.folder(str(plan.plan_id))
    rewrite(folder, format=2)
    with pytest.raises(OtherVersionError):
        manager.deleting.start(admin, plan)
    # Started there, and left by it.
    manager._engine.queue(str(plan.plan_id), admin)
    until(lambda: manager.operations.view(admin, str(plan.plan_id)).state is OperationState.PAUSED)
    view = manager.operations.view(admin, str(plan.plan_id))
    assert (view.message or "").startswith(OtherVersionError().message)
    assert not any(host.is_gone(run) for run in runs)
    rewrite(folder, format=1)
    manager.operations.resume(admin, str(plan.plan_id))
    receipt = receipt_of(manager, admin, str(plan.plan_id))
    assert receipt.done_count == 2
