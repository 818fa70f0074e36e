"""What has changed since the deletion: columns, tables, people, and rows that others refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.restoring import Undo, undoing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.hosts import HostWriter


@pytest.fixture
def undo(host: HostWriter) -> Iterator[Undo]:
    """A deletion on the test's host that is to be undone."""
    with undoing(host.url) as undone:
        yield undone


def sops(host: HostWriter, column: str = "sop") -> list[str | None]:
    """What a column of the runs holds."""
    return [one for (one,) in host.execute(f"SELECT {column} FROM run_metadata ORDER BY 1")]  # noqa: S608


def test_a_renamed_column_takes_what_it_held(host: HostWriter, undo: Undo) -> None:
    runs = [host.add_run(sop="first", llm_model="m"), host.add_run(sop="second")]
    undo.delete(runs)
    host.execute("ALTER TABLE run_metadata RENAME sop TO procedure")
    outcome = undo.restore(runs)
    assert sops(host, "procedure") == ["first", "second"]
    assert outcome.told == ("“run_metadata.sop” is called “procedure” now.",)


def test_a_renamed_column_is_told_from_a_new_one_of_its_old_name(
    host: HostWriter, undo: Undo
) -> None:
    runs = [host.add_run(sop="first")]
    undo.delete(runs)
    host.execute(
        "ALTER TABLE run_metadata RENAME sop TO old_sop; ALTER TABLE run_metadata ADD sop text"
    )
    undo.restore(runs)
    assert (sops(host, "old_sop"), sops(host)) == (["first"], [None])


def test_what_a_dropped_column_held_is_left_out_and_told(host: HostWriter, undo: Undo) -> None:
    runs = host.add_runs(2, sop="first", llm_model="m")
    undo.delete(runs)
    host.execute("ALTER TABLE run_metadata DROP sop; ALTER TABLE checkpoints DROP type")
    outcome = undo.restore(runs)
    assert sorted(outcome.done) == runs
    assert sops(host, "llm_model") == ["m", "m"]
    assert sorted(outcome.told) == [
        "“checkpoints.type” is no longer there: what it held is left out.",
        "“run_metadata.sop” is no longer there: what it held is left out.",
    ]


def test_a_column_made_again_under_its_name_takes_what_it_held(
    host: HostWriter, undo: Undo
) -> None:
    runs = [host.add_run(sop="first")]
    undo.delete(runs)
    host.execute("ALTER TABLE run_metadata DROP sop, ADD sop text")
    assert undo.restore(runs).told == ()
    assert sops(host) == ["first"]


def test_a_column_that_is_new_gets_its_default(host: HostWriter, undo: Undo) -> None:
    runs = host.add_runs(2)
    undo.delete(runs)
    host.execute("ALTER TABLE run_metadata ADD region text DEFAULT 'eu', ADD n int")
    outcome = undo.restore(runs)
    assert sops(host, "region") == ["eu", "eu"]
    assert "“run_metadata.region” is new" in outcome.told[0]


def test_a_column_that_is_computed_now_is_computed(host: HostWriter, undo: Undo) -> None:
    runs = [host.add_run(sop="first", llm_model="m")]
    undo.delete(runs)
    host.execute(
        "ALTER TABLE run_metadata DROP sop, ADD sop text GENERATED ALWAYS AS"
        " (llm_model || '!') STORED"
    )
    outcome = undo.restore(runs)
    assert sops(host) == ["m!"]
    assert outcome.told == (
        "“run_metadata.sop” is computed by the database now: what it held is left out.",
    )


def test_a_table_made_anew_in_another_order_is_filled_by_names(
    host: HostWriter, undo: Undo
) -> None:
    runs = host.add_runs(3)
    before = host.execute("SELECT id, thread_id, level, message FROM logs ORDER BY 1")
    undo.delete(runs)
    host.execute(
        "DROP TABLE logs; CREATE TABLE logs (message text, level text, id bigserial PRIMARY KEY,"
        " created_at timestamptz, thread_id text)"
    )
    outcome = undo.restore(runs)
    assert outcome.failed == {}
    assert host.execute("SELECT id, thread_id, level, message FROM logs ORDER BY 1") == before


@pytest.mark.parametrize("kind", ["bigint", "numeric"])
def test_a_wider_type_takes_the_same_values(host: HostWriter, kind: str) -> None:
    host.execute("CREATE TABLE notes (thread_id text, n int)")
    (run,) = host.add_runs(1)
    host.execute("INSERT INTO notes VALUES (%s, 7), (%s, NULL)", run, run)
    with undoing(host.url, ("notes",)) as undo:
        undo.delete([run])
        host.execute(f"ALTER TABLE notes ALTER n TYPE {kind}")
        outcome = undo.restore([run])
    assert host.execute("SELECT n FROM notes ORDER BY 1") == [(7,), (None,)]
    assert f"“notes.n” is of type {kind} now, and was integer" in outcome.told[0]


@pytest.mark.parametrize(
    ("kind", "said"), [("numeric(9,2)", "were not there as they had been"), ("date", "refused")]
)
def test_a_type_that_would_change_a_value_keeps_its_run_away(
    host: HostWriter, kind: str, said: str
) -> None:
    host.execute("CREATE TABLE notes (thread_id text, n text)")
    first, second = host.add_runs(2)
    host.execute("INSERT INTO notes VALUES (%s, '1.5'), (%s, NULL)", first, second)
    with undoing(host.url, ("notes",)) as undo:
        undo.delete([first, second])
        host.execute(f"ALTER TABLE notes ALTER n TYPE {kind} USING NULL")
        outcome = undo.restore([first, second])
    assert list(outcome.done) == [second]
    assert said in outcome.failed[first]
    assert host.is_gone(first)


def test_without_its_table_a_run_stays_away(host: HostWriter, undo: Undo) -> None:
    first, second = host.add_run(), host.add_run()
    host.add_traces(first, logs=1)
    undo.delete([first, second])
    host.execute("DROP TABLE logs")
    outcome = undo.restore([first, second])
    assert list(outcome.done) == [second]
    assert "“logs”, which held rows of this run, is no longer there" in outcome.failed[first]


def add_key(host: HostWriter, rule: str, default: str = "") -> None:
    """A foreign key of the runs to their users."""
    host.execute(
        f"ALTER TABLE run_metadata {default} ADD FOREIGN KEY (user_id) REFERENCES users"
        f" ON DELETE {rule}"
    )


def users(host: HostWriter) -> list[str | None]:
    """The users of the runs."""
    return [one for (one,) in host.execute("SELECT user_id FROM run_metadata ORDER BY thread_id")]


def test_a_user_that_is_gone_is_cleared_where_the_key_would_have(
    host: HostWriter, undo: Undo
) -> None:
    add_key(host, "SET NULL")
    runs = [*host.add_runs(2, user="kate"), *host.add_runs(1, user="grace")]
    undo.delete(runs)
    host.execute("DELETE FROM users WHERE username = 'kate'")
    outcome = undo.restore(runs)
    assert sorted(outcome.done) == runs
    assert users(host) == [None, None, host.user("grace")]
    assert outcome.told == (
        (
            "2 rows of “run_metadata” came back with user_id cleared: what it referred to in "
            "“users” is gone since."
        ),
    )


def test_a_user_that_is_gone_is_set_to_the_default_of_the_key(host: HostWriter, undo: Undo) -> None:
    somebody = host.user("somebody")
    add_key(host, "SET DEFAULT", f"ALTER user_id SET DEFAULT '{somebody}',")
    runs = host.add_runs(1, user="kate")
    undo.delete(runs)
    host.execute("DELETE FROM users WHERE username = 'kate'")
    assert list(undo.restore(runs).done) == runs
    assert users(host) == [somebody]


@pytest.mark.parametrize("rule", ["CASCADE", "RESTRICT", "NO ACTION DEFERRABLE INITIALLY DEFERRED"])
def test_a_user_that_is_gone_keeps_a_run_away_where_the_key_would_not_clear(
    host: HostWriter, undo: Undo, rule: str
) -> None:
    add_key(host, rule)
    first, second = *host.add_runs(1, user="kate"), *host.add_runs(1, user="grace")
    undo.delete([first, second])
    host.execute("DELETE FROM users WHERE username = 'kate'")
    outcome = undo.restore([first, second])
    assert list(outcome.done) == [second]
    assert (
        "“run_metadata.user_id” of this run refers to is no longer in “users”"
        in (outcome.failed[first])
    )
    assert host.is_gone(first)


def test_a_user_that_is_gone_without_a_key_is_no_matter(host: HostWriter, undo: Undo) -> None:
    runs = host.add_runs(1, user="kate")
    before = host.contents()["run_metadata"]
    undo.delete(runs)
    host.execute("DELETE FROM users WHERE username = 'kate'")
    assert undo.restore(runs).told == ()
    assert host.contents()["run_metadata"] == before


@pytest.mark.parametrize(("rule", "parent"), [("SET NULL", None), ("NO ACTION", "refused")])
def test_a_rerun_comes_back_without_the_run_that_it_refers_to(
    host: HostWriter, undo: Undo, rule: str, parent: str | None
) -> None:
    host.execute(
        "ALTER TABLE run_metadata ADD FOREIGN KEY (parent_thread_id) REFERENCES run_metadata"
        f" ON DELETE {rule}"
    )
    first = host.add_run()
    second = host.add_run(parent_thread_id=first)
    before = host.contents()
    undo.delete([first, second])
    outcome = undo.restore([second])
    if parent == "refused":
        assert "refers to one that is not there" in outcome.failed[second]
    else:
        assert "came back with parent_thread_id cleared" in outcome.told[0]
        undo.delete([second])
    undo.batches = 1
    assert sorted(undo.restore([first, second]).done) == [first, second]
    assert host.contents() == before


def test_a_bad_run_does_not_clear_what_others_refer_to_among_each_other(
    host: HostWriter, undo: Undo
) -> None:
    host.execute(
        "ALTER TABLE run_metadata ADD FOREIGN KEY (parent_thread_id) REFERENCES run_metadata"
        " ON DELETE SET NULL"
    )
    runs = sorted(host.add_run() for _ in range(6))
    # The first refers to the last, the second to the bad one.
    host.execute(
        "UPDATE run_metadata SET parent_thread_id = %s WHERE thread_id = %s", runs[5], runs[0]
    )
    host.execute(
        "UPDATE run_metadata SET parent_thread_id = %s WHERE thread_id = %s", runs[3], runs[1]
    )
    host.execute("UPDATE run_metadata SET run_name = 'bad' WHERE thread_id = %s", runs[3])
    undo.delete(runs)
    host.execute("ALTER TABLE run_metadata ADD CHECK (run_name <> 'bad')")
    outcome = undo.restore(runs)
    assert list(outcome.failed) == [runs[3]]
    assert host.execute("SELECT parent_thread_id FROM run_metadata ORDER BY thread_id") == [
        (runs[5],),
        (None,),
        (None,),
        (None,),
        (None,),
    ]
