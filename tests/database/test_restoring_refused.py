"""What the database refuses or alters on the way back: one bad run fails alone, with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.batches import RefusedError
from runmanager.restoring import reasons
from runmanager.restoring.tally import Tally
from tests.restoring import Undo, undoing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts import HostWriter
    from tests.roles import Roles


@pytest.fixture
def undo(host: HostWriter) -> Iterator[Undo]:
    """A deletion on the test's host that is to be undone."""
    with undoing(host.url) as undone:
        yield undone


def add_trigger(
    host: HostWriter, table: str, body: str, *, when: str = "BEFORE", each: str = "ROW"
) -> None:
    """Let the database do ``body`` for what is inserted into ``table``."""
    host.execute(
        f"CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;"
        f"CREATE TRIGGER meddle {when} INSERT ON {table} FOR EACH {each} EXECUTE FUNCTION meddle()"
    )


MEDDLING = {
    "alters": ("checkpoints", "NEW.metadata := NEW.metadata || '{\"a\": 1}'; RETURN NEW;"),
    "drops": ("logs", "RETURN NULL;"),
    "doubles": (
        "logs",
        (
            "IF pg_trigger_depth() = 1 THEN INSERT INTO logs (thread_id) VALUES (NEW.thread_id);"
            " END IF; RETURN NEW;"
        ),
    ),
    "moves": ("logs", "NEW.thread_id := 'elsewhere'; RETURN NEW;"),
    "swaps": ("logs", "NEW.message := reverse(NEW.message); RETURN NEW;"),
}


@pytest.mark.parametrize("how", MEDDLING)
def test_a_trigger_that_meddles_with_rows_is_found_and_its_run_stays_away(
    host: HostWriter, undo: Undo, how: str
) -> None:
    bad, good = sorted([host.add_run(), host.add_run()])
    host.add_traces(bad)
    before = host.contents(without=[bad])
    undo.delete([bad, good])
    table, body = MEDDLING[how]
    add_trigger(host, table, body)
    outcome = undo.restore([bad, good])
    assert list(outcome.done) == [good]
    assert f"The rows of “{table}” were not there as they had been" in outcome.failed[bad]
    assert "“meddle”" in outcome.failed[bad]
    assert host.contents() == before


def test_a_broken_comparison_would_not_have_found_it(
    host: HostWriter, undo: Undo, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = host.add_runs(1)
    before = host.contents()
    undo.delete([run])
    add_trigger(host, "logs", MEDDLING["swaps"][1])
    monkeypatch.setattr(Tally, "differing", lambda *_: {})
    assert list(undo.restore([run]).done) == [run]
    assert host.contents() != before


def test_a_row_that_a_trigger_adds_to_another_trace_table_is_found(
    host: HostWriter, undo: Undo
) -> None:
    run, other = host.add_run(), host.add_run()
    undo.delete([run, other])
    add_trigger(
        host,
        "run_metadata",
        f"IF NEW.thread_id = '{run}' THEN INSERT INTO logs (thread_id)"  # noqa: S608
        " VALUES (NEW.thread_id); END IF; RETURN NULL;",
        when="AFTER",
    )
    outcome = undo.restore([run, other])
    assert list(outcome.done) == [other]
    assert "The rows of “logs”" in outcome.failed[run]
    assert host.is_gone(run)


def test_an_audit_trigger_is_no_matter(host: HostWriter, undo: Undo) -> None:
    host.execute("CREATE TABLE audit (said text)")
    runs = host.add_runs(3)
    undo.delete(runs)
    add_trigger(host, "logs", "INSERT INTO audit VALUES (NEW.message); RETURN NULL;", when="AFTER")
    assert sorted(undo.restore(runs).done) == runs
    assert host.execute("SELECT count(*) FROM audit") == [(3,)]


@pytest.mark.parametrize("size", [2, 3, 7])
def test_one_bad_run_fails_alone(host: HostWriter, undo: Undo, size: int) -> None:
    runs = host.add_runs(size)
    bad = runs[size // 2]
    host.execute("UPDATE logs SET message = 'bad' WHERE thread_id = %s", bad)
    before = host.contents(without=[bad])
    undo.delete(runs)
    host.execute("ALTER TABLE logs ADD CONSTRAINT fine CHECK (message <> 'bad')")
    outcome = undo.restore(runs)
    assert list(outcome.failed) == [bad]
    assert "The database refused, at table “logs”" in outcome.failed[bad]
    assert "fine" in outcome.failed[bad]
    assert sorted(outcome.done) == [run for run in runs if run != bad]
    assert host.contents() == before


def test_what_is_there_once_only_and_taken_since_is_named(host: HostWriter, undo: Undo) -> None:
    host.execute("ALTER TABLE run_metadata ADD number int UNIQUE")
    first, second = host.add_run(number=1), host.add_run(number=2)
    undo.delete([first, second])
    host.add_run(number=2)
    outcome = undo.restore([first, second])
    assert list(outcome.done) == [first]
    assert "“run_metadata” has another row by now" in outcome.failed[second]
    assert "run_metadata_number_key" in outcome.failed[second]


def test_a_trigger_that_refuses_a_run_is_quoted(host: HostWriter, undo: Undo) -> None:
    first, second = sorted([host.add_run(), host.add_run()])
    undo.delete([first, second])
    add_trigger(
        host,
        "run_metadata",
        f"IF NEW.thread_id = '{first}' THEN RAISE 'closed year'; END IF; RETURN NEW;",
    )
    outcome = undo.restore([first, second])
    assert outcome.failed == {first: "The database refused, at table “run_metadata”: closed year"}


@pytest.mark.parametrize("tables", [("logs",), ("run_metadata", "logs", "checkpoints")])
def test_row_security_is_gone_around_by_insert(
    host: HostWriter, roles: Roles, tables: tuple[str, ...]
) -> None:
    host.execute(
        "ALTER TABLE logs ADD number int GENERATED ALWAYS AS IDENTITY, ADD code char(4),"
        " ADD bits bit(3), ADD short varchar(3)"
    )
    role = roles.bare()
    host.execute(
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};"
        + "".join(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY p ON {table} TO {role} USING (true);"
            for table in tables
        )
    )
    runs = host.add_runs(3)
    host.execute("UPDATE logs SET code = 'ab', bits = '101', short = E'\\\\N\\t', level = NULL")
    before = host.contents()
    with undoing(roles.url(role)) as undo:
        undo.delete(runs)
        outcome = undo.restore(runs)
    assert outcome.failed == {}
    assert host.contents() == before


def test_a_row_that_a_policy_refuses_keeps_its_run_away(host: HostWriter, roles: Roles) -> None:
    role = roles.bare()
    host.execute(
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role};"
        "ALTER TABLE logs ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY p ON logs TO {role} USING (true) WITH CHECK (message <> 'bad')"
    )
    first, second = host.add_runs(2)
    host.execute("UPDATE logs SET message = 'bad' WHERE thread_id = %s", first)
    before = host.contents(without=[first])
    with undoing(roles.url(role)) as undo:
        undo.delete([first, second])
        outcome = undo.restore([first, second])
    assert list(outcome.done) == [second]
    assert "row-level security" in outcome.failed[first]
    assert host.contents() == before


@pytest.mark.parametrize("right", ["table", "view"])
def test_rows_come_back_through_a_view_where_the_role_has_no_more(
    host: HostWriter, roles: Roles, right: str
) -> None:
    host.execute(
        "ALTER TABLE run_metadata RENAME TO thread; ALTER TABLE thread RENAME thread_id TO pk;"
        "CREATE VIEW run_metadata AS SELECT pk AS thread_id, run_name, status, created_at, user_id,"
        " workspace_id, completed_at, error_message, parent_thread_id, llm_model, sop,"
        " initial_data, metadata FROM thread"
    )
    role = roles.bare()
    host.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
    host.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
    if right == "view":
        host.execute(f"REVOKE ALL ON thread FROM {role}")
    runs = host.add_runs(3)
    before = host.contents()
    with undoing(roles.url(role)) as undo:
        undo.delete(runs)
        assert host.contents()["thread"] == []
        outcome = undo.restore(runs)
    assert (outcome.failed, outcome.told) == ({}, ())
    assert host.contents() == before


def test_a_soft_deletion_of_the_hosts_is_undone_by_its_own_trigger(host: HostWriter) -> None:
    host.execute(
        "ALTER TABLE run_metadata RENAME TO thread; ALTER TABLE thread ADD gone_at timestamptz;"
        "CREATE VIEW run_metadata AS SELECT thread_id, run_name, status, created_at, user_id,"
        " workspace_id FROM thread WHERE gone_at IS NULL;"
        "CREATE FUNCTION hide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE thread SET gone_at = now() WHERE thread_id = OLD.thread_id; RETURN OLD; END $$;"
        "CREATE TRIGGER hide INSTEAD OF DELETE ON run_metadata FOR EACH ROW"
        " EXECUTE FUNCTION hide();"
        "CREATE FUNCTION show() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE thread SET gone_at = NULL WHERE thread_id = NEW.thread_id; RETURN NEW; END $$;"
        "CREATE TRIGGER show INSTEAD OF INSERT ON run_metadata FOR EACH ROW"
        " EXECUTE FUNCTION show();"
    )
    runs = host.add_runs(2)
    before = host.contents()
    with undoing(host.url) as undo:
        undo.delete(runs)
        assert host.execute("SELECT count(*) FROM run_metadata") == [(0,)]
        outcome = undo.restore(runs)
    assert (outcome.failed, host.contents()) == ({}, before)


def test_a_role_without_the_right_is_told_which(host: HostWriter, roles: Roles) -> None:
    role = roles.bare()
    host.execute(
        f"GRANT SELECT, DELETE, UPDATE ON ALL TABLES IN SCHEMA public TO {role};"
        f"GRANT INSERT ON checkpoints, checkpoint_blobs, checkpoint_writes, logs TO {role}"
    )
    runs = host.add_runs(2)
    with undoing(roles.url(role)) as undo:
        undo.delete(runs)
        with pytest.raises(RefusedError) as refused:
            undo.restore(runs)
    said = reasons.hopeless(refused.value)
    assert said is not None
    assert "The database denied the restore, at table “run_metadata”" in said


def test_who_looks_too_early_for_rows_that_are_there_would_double_them(
    host: HostWriter, undo: Undo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the look, logs, which have no unique id of a run, come back twice."""
    (run,) = host.add_runs(1)
    undo.delete([run])
    undo.restore([run])
    host.execute(
        "DELETE FROM run_metadata; DELETE FROM checkpoints; DELETE FROM checkpoint_blobs;"
        "DELETE FROM checkpoint_writes; ALTER TABLE logs DROP CONSTRAINT logs_pkey"
    )
    assert undo.restore([run]).failed == {run: reasons.exists("logs")}
    monkeypatch.setattr("runmanager.restoring.batch.find_existing", lambda *_: {})
    # What is read again afterwards finds it too.
    assert "The rows of “logs”" in undo.restore([run]).failed[run]
    monkeypatch.setattr(Tally, "differing", lambda *_: {})
    undo.restore([run])
    assert host.count("logs", run) == 2
