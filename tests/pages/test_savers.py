"""A run's page on the tables of every saver: what they do not say is left empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from pages.parts import checkpoint_list
from runmanager.paging import PageRequest
from tests.savers import BARE, FIRST, PICKLED, STEPS, Saver, every_saver

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from tests.hosts import HostWriter
    from tests.pages.conftest import Visitor


@pytest.fixture
def runs(host: HostWriter, saver: Saver) -> list[str]:
    """Two runs, of which the saver has kept the same."""
    return saver.add_runs(host)


def cells(visitor: Visitor, heading: str, *others: str) -> list[object]:
    (table,) = visitor.tables(heading, *others)
    return [None if pd.isna(one) else one for one in table[heading]]


def captions(visitor: Visitor) -> list[str]:
    return [one.value for one in visitor.app.caption]


@every_saver
def test_a_run_of_any_saver_is_looked_over_and_deleted(
    runs: list[str], saver: Saver, ada: Visitor, host: HostWriter, manager: RunManager
) -> None:
    run, stays = runs
    ada.at_run(run)
    headings = [one.value for one in ada.app.markdown]
    assert f"##### Checkpoints · {STEPS}" in headings
    assert cells(ada, "Checkpoint", "Step") == list(saver.ids)[::-1]
    if "checkpoint_blobs" in saver.tables:
        assert cells(ada, "Version", "Channel") == list(saver.versions)
    for one in manager.reviewing.checkpoints(host.admin, run, PageRequest()).items:
        held = ada.held(checkpoint_list._Opened)
        held.thread_id, held.checkpoint = run, (one.namespace, one.key)
        ada.look()
        assert f"Checkpoint {one.checkpoint_id or 'without an id'}" in ada.texts
    ada.press("delete_run").press("confirm_deletion").finish_deletion()
    assert {host.count(table, run) for table in saver.tables} == {0}
    assert all(host.count(table, stays) for table in saver.tables)


@pytest.mark.parametrize(
    ("saver", "says"),
    [
        (
            FIRST,
            [f"{len(PICKLED)} bytes, which are never decoded.", "Nothing is kept.", "No writes."],
        ),
        (
            BARE,
            [
                "Nothing is kept.",
                "Nothing is kept.",
                "The tables do not say which writes belong to this checkpoint.",
            ],
        ),
    ],
    ids=["the first saver", "bare"],
)
def test_what_cannot_be_shown_of_a_checkpoint_is_said(
    runs: list[str], ada: Visitor, manager: RunManager, host: HostWriter, says: list[str]
) -> None:
    (one, *_others) = manager.reviewing.checkpoints(host.admin, runs[0], PageRequest()).items
    ada.at_run(runs[0])
    before = captions(ada)
    held = ada.held(checkpoint_list._Opened)
    held.thread_id, held.checkpoint = runs[0], (one.namespace, one.key)
    added = [one for one in captions(ada.look()) if one not in before]
    assert added == says
