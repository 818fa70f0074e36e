"""The pages where the database role may not do everything: what it lacks stands in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.roles import READER

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.pages.conftest import Visitor
    from tests.roles import Roles

DENIED = "The database role may not delete runs"


@pytest.fixture
def role(roles: Roles) -> str:
    """The page's role that only reads."""
    return roles.of_the_page(READER)


@pytest.fixture
def manager(open_manager: OpenManager, roles: Roles, role: str) -> RunManager:
    """Run Manager with that role."""
    return open_manager(roles.url(role))


def said(visitor: Visitor, text: str) -> list[str]:
    """What stands on the page with this text in it."""
    return [one for one in visitor.texts if text in one]


def labels(visitor: Visitor) -> list[str]:
    """The words of every button."""
    return [one.label for one in visitor.app.button]


def test_a_read_only_role_sees_no_button_that_deletes(
    ada: Visitor, host: HostWriter, role: str
) -> None:
    one, _two = host.add_runs(2)
    ada.at().tick(one)
    assert ada.selection == {one}
    assert not any("Delete" in label for label in labels(ada))
    assert not ada.has_button("select_page")
    # What is ticked can be opened from the keyboard.
    assert ada.has_button("open_selected")
    (sentence,) = said(ada, DENIED)
    assert f"GRANT DELETE, UPDATE (run_name) ON public.run_metadata TO {role};" in sentence
    ada.at_run(one)
    assert not any("Delete" in label for label in labels(ada))
    assert len(said(ada, DENIED)) == 1


def test_the_button_is_there_as_soon_as_the_grants_are(
    ada: Visitor, host: HostWriter, role: str
) -> None:
    (run,) = host.add_runs(1)
    ada.at().tick(run)
    tables = ", ".join(host.shape.tables)
    host.execute(f"GRANT DELETE, UPDATE ON {tables} TO {role}")
    ada.press("refresh").press("delete_selected").press("confirm_deletion").finish_deletion()
    assert said(ada, DENIED) == []
    assert host.is_gone(run)


def test_a_right_that_is_revoked_is_said_where_the_plan_would_stand(
    ada: Visitor, host: HostWriter, roles: Roles, role: str
) -> None:
    tables = ", ".join(host.shape.tables)
    host.execute(f"GRANT DELETE, UPDATE ON {tables} TO {role}")
    (run,) = host.add_runs(1)
    ada.at().tick(run)
    roles.revoke(role, "DELETE ON logs")
    ada.press("delete_selected")
    assert not ada.has_button("confirm_deletion")
    assert said(ada, f"GRANT DELETE ON public.logs TO {role};")
    ada.at()
    assert not ada.has_button("delete_selected")
    assert not host.is_gone(run)


@pytest.mark.parametrize(
    ("table", "heading"),
    [
        ("logs", "##### Log"),
        ("checkpoints", "##### Checkpoints"),
        ("checkpoint_writes", "##### Checkpoints"),
        ("checkpoint_blobs", "##### Stored values"),
    ],
)
def test_a_table_that_may_not_be_read_says_so_in_its_place(
    ada: Visitor, host: HostWriter, roles: Roles, role: str, table: str, heading: str
) -> None:
    roles.revoke(role, f"SELECT ON {table}")
    (run,) = host.add_runs(1)
    ada.at()
    ada.at_run(run)
    grant = f"GRANT SELECT ON public.{table} TO {role};"
    # In its own place, and where rows are counted.
    assert len([one for one in said(ada, grant) if DENIED not in one]) == 2
    assert heading in [one.value for one in ada.app.markdown]
    assert not ada.has_button("try_again")
    (counted,) = ada.tables("Table", "Rows")
    assert set(counted["Table"]) == set(host.shape.tables) - {table}
    shown = {"Log": "Message", "Checkpoints": "Checkpoint", "Stored values": "Version"}
    for name, column in shown.items():
        assert bool(ada.tables(column)) == (f"##### {name}" != heading), name


@pytest.fixture
def notes(host: HostWriter) -> str:
    """A table of the host's that the role may not read, whose name is Markdown."""
    host.execute('CREATE TABLE "**:red[notes]**" (thread_id text)')
    return "notes"


def test_a_name_of_the_hosts_is_text_there_too(notes: str, ada: Visitor, host: HostWriter) -> None:
    ada.at_run(host.add_run())
    assert said(ada, 'public."**:red[notes]**"')
    assert not any(notes in one for one in ada.rendered)
