"""What a restore would do, said beforehand; and what the role lacks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.restoring import reasons, undo_lacks
from tests.conftest import every_shape
from tests.restoring import Undo, undoing
from tests.roles import grants_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

    from tests.hosts import HostWriter
    from tests.roles import Roles


@pytest.fixture
def undo(host: HostWriter) -> Iterator[Undo]:
    """A deletion on the test's host that is to be undone."""
    with undoing(host.url) as undone:
        yield undone


def lacks(url: sa.URL) -> tuple[str, ...]:
    """What Undo would need for the role of this address."""
    with undoing(url) as undo, undo.database.read() as connection:
        return undo_lacks(connection, undo.host(connection))


@every_shape
def test_a_plan_counts_what_comes_back(host: HostWriter, undo: Undo) -> None:
    runs = host.add_runs(3)
    undo.delete(runs[:2])
    undo.delete(runs[2:])
    plan = undo.plan()
    assert (plan.operation_id, plan.runs, plan.obstacle) == ("parent", 3, None)
    assert dict(plan.tables) == dict.fromkeys(host.shape.tables, 3)
    assert (plan.refused, plan.triggers, plan.changes) == ((), (), ())
    some = undo.plan([runs[0], "never"])
    assert (some.runs, some.refused) == (1, (("never", reasons.NOT_ARCHIVED),))
    assert some.thread_ids == (runs[0], "never")


def test_a_plan_names_what_exists_again_and_what_is_gone(host: HostWriter, undo: Undo) -> None:
    host.execute(
        "ALTER TABLE run_metadata ADD FOREIGN KEY (user_id) REFERENCES users"
        " ON DELETE SET NULL, ADD FOREIGN KEY (workspace_id) REFERENCES workspaces"
    )
    first = host.add_run(user="kate")
    second = host.add_run(workspace="Ops")
    third = host.add_run()
    undo.delete([first, second, third])
    host.execute("DELETE FROM users WHERE username = 'kate'; DELETE FROM workspaces")
    host.add_run(third)
    plan = undo.plan()
    assert plan.runs == 1
    refused = dict(plan.refused)
    assert refused[third] == reasons.exists("run_metadata")
    assert "“run_metadata.workspace_id” of this run refers to" in refused[second]
    assert plan.changes == (
        (
            "Rows of “run_metadata” come back with user_id cleared: 1 row of “users” to which they "
            "referred are gone since."
        ),
    )


def test_a_plan_lists_what_fires_and_what_has_changed(host: HostWriter, undo: Undo) -> None:
    host.execute(
        "CREATE TABLE invoices (id int PRIMARY KEY, thread_id text REFERENCES run_metadata"
        " ON DELETE SET NULL)"
    )
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO invoices VALUES (1, %s)", run)
    undo.delete([run])
    host.execute(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER stamp BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION f();"
        "CREATE TRIGGER tell AFTER INSERT ON run_metadata FOR EACH STATEMENT EXECUTE FUNCTION f();"
        "CREATE TRIGGER other AFTER DELETE ON logs FOR EACH ROW EXECUTE FUNCTION f();"
        "CREATE TRIGGER asleep AFTER INSERT ON logs FOR EACH ROW EXECUTE FUNCTION f();"
        "ALTER TABLE logs DISABLE TRIGGER asleep;"
        "CREATE TRIGGER paid BEFORE UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION f();"
        "ALTER TABLE logs DROP level"
    )
    plan = undo.plan()
    assert sorted(plan.triggers) == [
        (
            "The trigger “paid” (function f) fires before a row has a reference put back in "
            "“invoices”, and may change it."
        ),
        (
            "The trigger “stamp” (function f) fires before a row is put back into “logs”, and may "
            "change it."
        ),
        "The trigger “tell” (function f) fires after rows are put back into “run_metadata”.",
    ]
    assert plan.changes == ("“logs.level” is no longer there: what it held is left out.",)


def test_without_rows_nothing_can_be_restored_and_the_plan_says_so(
    host: HostWriter, undo: Undo
) -> None:
    runs = host.add_runs(2)
    undo.delete(runs)
    undo.folder.remove(["000001.sql.zst"])
    plan = undo.plan()
    assert (plan.runs, plan.tables) == (0, ())
    assert plan.obstacle is not None
    assert "Nothing of this deletion is kept" in plan.obstacle


def test_a_plan_changes_nothing(host: HostWriter, undo: Undo) -> None:
    runs = host.add_runs(2)
    undo.delete(runs)
    before = host.contents()
    undo.plan()
    assert host.contents() == before


def test_what_a_role_lacks_is_the_grant_that_mends_it(host: HostWriter, roles: Roles) -> None:
    host.execute(
        "CREATE TABLE invoices (id int PRIMARY KEY, thread_id text REFERENCES run_metadata"
        " ON DELETE SET NULL)"
    )
    role = roles.bare("Odd role")
    host.execute(
        'GRANT SELECT, DELETE, UPDATE ON ALL TABLES IN SCHEMA public TO "Odd role";'
        'REVOKE UPDATE ON invoices FROM "Odd role"; GRANT INSERT ON logs TO "Odd role"'
    )
    runs = host.add_runs(2)
    host.execute("INSERT INTO invoices VALUES (1, %s)", runs[0])
    before = host.contents()
    url = roles.url(role)
    with undoing(url) as undo:
        undo.delete(runs)
        plan = undo.plan()
        assert plan.obstacle is not None
        assert "“run_metadata”" in plan.obstacle
        assert "“logs”" not in plan.obstacle
        for grant in grants_in(plan.obstacle):
            host.execute(grant)
        assert undo.plan().obstacle is None
        (sentence,) = lacks(url)
        assert "References that a deletion clears in “invoices”" in sentence
        for grant in grants_in(sentence):
            host.execute(grant)
        assert lacks(url) == ()
        outcome = undo.restore(runs)
    assert (outcome.failed, host.contents()) == ({}, before)


def test_row_security_that_lets_nothing_in_is_said(host: HostWriter, roles: Roles) -> None:
    role = roles.bare()
    host.execute(
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};"
        "ALTER TABLE logs ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY r ON logs FOR SELECT TO {role} USING (true);"
        f"CREATE POLICY d ON logs FOR DELETE TO {role} USING (true);"
    )
    (sentence,) = lacks(roles.url(role))
    assert "Row security on “logs” lets the database role put no row back" in sentence
    host.execute(sentence.split("run: ")[1])
    assert lacks(roles.url(role)) == ()


def test_a_view_that_takes_no_rows_is_said(host: HostWriter, roles: Roles) -> None:
    host.execute(
        "ALTER TABLE logs RENAME TO lines; CREATE VIEW logs AS SELECT DISTINCT thread_id, level,"
        " message, created_at FROM lines;"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM lines WHERE"
        " thread_id = OLD.thread_id; RETURN OLD; END $$;"
        "CREATE TRIGGER t INSTEAD OF DELETE ON logs FOR EACH ROW EXECUTE FUNCTION f()"
    )
    (sentence,) = lacks(host.url)
    assert "Rows of the view “logs” cannot be put back through it" in sentence
