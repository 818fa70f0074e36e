"""The filter by model, where the host keeps one: in the list, its values, and the refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.errors import InvalidRequestError, UnknownNameError
from runmanager.filters import WITHOUT, RunFilter, Value
from runmanager.paging import PageRequest
from runmanager.queries.listing import facets
from runmanager.records import FilterChoice, FilterChoices
from tests.conftest import every_shape

if TYPE_CHECKING:
    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.hosts import HostWriter


def listed(manager: RunManager, actor: Actor, model: Value) -> set[str]:
    run_filter = RunFilter(model=model)
    page = manager.finding.list_runs(actor, run_filter, PageRequest())
    assert manager.finding.browse(actor, run_filter, PageRequest()).items == page.items
    assert page.total == len(page.items)
    return {run.thread_id for run in page.items}


@every_shape
def test_runs_are_narrowed_down_to_a_model_where_the_host_keeps_it(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    if host.shape.is_minimal:
        assert "model" not in manager.finding.offered
        with pytest.raises(InvalidRequestError, match="no column “llm_model”"):
            listed(manager, admin, "m-1")
        return
    one, none = host.add_run(llm_model="m-1"), host.add_run()
    two = host.add_run(llm_model="M-1", created_at=None)
    assert listed(manager, admin, "m-1") == {one}
    assert listed(manager, admin, "M-1") == {two}
    assert listed(manager, admin, WITHOUT) == {none}
    assert listed(manager, admin, "m") == listed(manager, admin, "\0") == set()
    assert manager.finding.choices(admin, "model", RunFilter()) == FilterChoices(
        (FilterChoice("M-1", "M-1"), FilterChoice("m-1", "m-1"))
    )


def test_the_list_of_models_says_where_it_has_not_looked_at_all_runs(
    host: HostWriter, manager: RunManager, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "LOOKED_THROUGH", 2)
    host.add_run(llm_model="old", created_at="2020-01-01")
    for _ in range(2):
        host.add_run(llm_model="new")
    found = manager.finding.choices(admin, "model", RunFilter())
    assert found == FilterChoices((FilterChoice("new", "new"),), is_complete=False)
    assert len(listed(manager, admin, "old")) == 1


def test_a_model_column_that_is_dropped_meanwhile_is_no_longer_offered(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    host.add_run(llm_model="m-1")
    assert set(manager.finding.choices_of(admin, ["username", "model"], RunFilter())) == {
        "username", "model",
    }  # fmt: skip
    host.execute("ALTER TABLE run_metadata DROP COLUMN llm_model")
    with pytest.raises(InvalidRequestError, match="no column “llm_model”"):
        listed(manager, admin, "m-1")
    assert set(manager.finding.choices_of(admin, ["username", "model"], RunFilter())) == {
        "username"
    }
    with pytest.raises(UnknownNameError):
        manager.finding.choices(admin, "model", RunFilter())
