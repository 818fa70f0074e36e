"""The run page: everything the database has about one run."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pages.parts import checkpoint_list
from pages.parts.log_list import _Opened
from runmanager.paging import PageRequest
from runmanager.queries.run import checkpoints, detail
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from runmanager.service import RunManager
    from tests.hosts import HostWriter
    from tests.pages.conftest import Visitor


def headings(visitor: Visitor) -> list[str]:
    return [one.value for one in visitor.app.markdown if one.value.startswith("#####")]


def warnings(visitor: Visitor) -> list[str]:
    return [one.value for one in visitor.app.warning]


def test_every_section_is_there(ada: Visitor, host: HostWriter) -> None:
    parent = host.add_run("parent", name="The first try")
    run = host.add_run(
        "full",
        name="Order processing",
        status="failed",
        user="kate",
        workspace="Ops",
        completed_at=LONG_AGO + timedelta(seconds=200),
        error_message="Timeout in tool “search”",
        parent_thread_id=parent,
        llm_model="gpt-x",
        sop="refunds",
        initial_data='{"order": 17}',
        metadata='{"region": "EU"}',
    )
    rerun = host.add_run("rerun", parent_thread_id=run)
    host.add_traces(run)
    ada.at_run(run)
    assert headings(ada) == [
        "##### Initial data",
        "##### Metadata",
        "##### Rerun of",
        "##### Reruns · 1",
        "##### Log",
        "##### Checkpoints · 2",
        "##### Stored values · 2",
        "##### Rows and bytes",
    ]
    shown = {"1 Jan 2025, 12:00:00 UTC", "3 min 20 s", "kate", "Ops", "gpt-x", "refunds"}
    assert shown <= set(ada.texts)
    assert [one.value for one in ada.app.code] == ["full", "Timeout in tool “search”"]
    links = ada.tables("Open", "ID")
    assert [list(one["ID"]) for one in links] == [[parent], [rerun]]
    assert [list(one["Tab"]) for one in links] == [["/run?id=parent"], ["/run?id=rerun"]]
    footprint = ada.tables("Table", "Rows")[0]
    assert dict(zip(footprint["Table"], footprint["Rows"], strict=True)) == host.counts(run)


def test_a_bare_run_shows_only_what_there_is(ada: Visitor, host: HostWriter) -> None:
    run = host.add_run(name=None, status=None, created_at=None)
    ada.at_run(run)
    assert headings(ada) == ["##### Log", "##### Checkpoints · 0", "##### Rows and bytes"]
    assert run in ada.texts
    assert "No log lines." in [one.value for one in ada.app.caption]


def test_orphan_traces_are_shown_with_a_warning(ada: Visitor, host: HostWriter) -> None:
    host.add_traces("orphan")
    ada.at_run("orphan")
    assert "no row of its own" in warnings(ada)[0]
    assert "##### Checkpoints · 2" in headings(ada)


def test_a_parent_that_is_gone_is_said_to_be(ada: Visitor, host: HostWriter) -> None:
    run = host.add_run(parent_thread_id="long gone")
    row = ada.at_run(run).tables("Open", "ID")[0].iloc[0]
    assert (row["Open"], row["ID"]) == ("gone", "long gone")


def test_a_run_that_is_its_own_parent_opens(ada: Visitor, host: HostWriter) -> None:
    run = host.add_run("loop", parent_thread_id="loop")
    assert "Order processing" in ada.at_run(run).texts


@pytest.mark.parametrize(
    "thread_id", ["nothing", "", "\x00", "'; --", "x" * 5_000, "🦜", "%", "a/b?c#d&e=f"]
)
def test_an_unknown_run_says_so_and_offers_the_way_back(ada: Visitor, thread_id: str) -> None:
    ada.at_run(thread_id)
    assert "**There is nothing to show**" in [one.value for one in ada.app.markdown]
    assert "Back to all runs" in [link.value for link in ada.app.page_link]
    assert not ada.has_button("delete_run")


def test_a_cut_or_broken_document_is_shown_as_text(ada: Visitor, host: HostWriter) -> None:
    host.execute("ALTER TABLE run_metadata ALTER COLUMN initial_data TYPE text")
    run = host.add_run(initial_data="{broken", metadata='"' + "x" * 300_000 + '"')
    ada.at_run(run)
    assert "{broken" in [one.value for one in ada.app.code]
    assert not list(ada.app.json)


def test_a_checkpoints_content_is_never_decoded(ada: Visitor, host: HostWriter) -> None:
    run = host.add_run()
    host.add_traces(run)
    host.execute(
        "UPDATE checkpoint_blobs SET type = 'pickle', blob = %s",
        b"cos\nsystem\n(S'touch /tmp/owned'\ntR.",
    )
    stored = ada.at_run(run).tables("Channel", "Version")[0]
    assert list(stored["Type"]) == ["pickle"] * 2
    assert list(stored["Size"]) == ["35 bytes"] * 2


def test_a_stored_value_of_200_mb_is_measured_and_not_read(ada: Visitor, host: HostWriter) -> None:
    run = host.add_run()
    host.execute("ALTER TABLE checkpoint_blobs ALTER COLUMN blob SET STORAGE EXTERNAL")
    host.execute(
        "INSERT INTO checkpoint_blobs (thread_id, channel, version, type, blob)"
        " VALUES (%s, 'documents', '1', 'bytes', convert_to(repeat('x', 200000000), 'utf8'))",
        run,
    )
    assert list(ada.at_run(run).tables("Channel", "Version")[0]["Size"]) == ["200.0 MB"]
    ada.press("delete_run").press("confirm_deletion").finish_deletion()
    assert host.is_gone(run)


def test_a_log_is_narrowed_by_level(ada: Visitor, host: HostWriter) -> None:
    run = host.add_run()
    host.add_traces(run, logs=3)
    host.execute("UPDATE logs SET level = 'ERROR' WHERE message = 'line 2'")
    ada.at_run(run)
    ada.app.multiselect(key=f"log_levels-{run}").select("ERROR")
    assert list(ada.look().tables("Level", "Message")[0]["Message"]) == ["line 2"]


def test_a_long_log_is_paged(ada: Visitor, host: HostWriter) -> None:
    run = host.add_run()
    host.add_traces(run, logs=150)
    ada.at_run(run)
    assert "1 to 100 of 150" in [one.value for one in ada.app.caption]
    ada.app.pagination(key=f"log_page-{run}").select(2)
    assert "101 to 150 of 150" in [one.value for one in ada.look().app.caption]


def test_the_pages_of_one_runs_log_are_not_those_of_the_next(
    ada: Visitor, host: HostWriter
) -> None:
    long, short = host.add_run(), host.add_run()
    host.add_traces(long, logs=150)
    host.add_traces(short, logs=120)
    ada.at_run(long).app.pagination(key=f"log_page-{long}").select(2)
    ada.look()
    ada.app.query_params = {"id": short}
    assert "1 to 100 of 120" in [one.value for one in ada.look().app.caption]


def test_a_long_error_shows_both_its_ends_and_all_of_it_on_request(
    ada: Visitor, host: HostWriter
) -> None:
    error = "Traceback\n" + "x" * 38_000 + "\nTimeoutError: the last line"
    ada.at_run(host.add_run(error_message=error))
    _id, head, tail = (one.value for one in ada.app.code)
    assert (head[:9], tail.splitlines()[-1]) == ("Traceback", "TimeoutError: the last line")
    assert f"The beginning and the end: showing 20,000 of {len(error):,} characters" in ada.texts
    ada.press("text-error_message-all")
    assert ada.app.code[-1].value == error
    assert f"All {len(error):,} characters" in ada.texts


def test_a_long_fact_stands_by_itself_and_all_of_it_is_read_on_request(
    ada: Visitor, host: HostWriter
) -> None:
    ada.at_run(host.add_run(sop="first " + "y" * 30_000 + " last"))
    assert "Procedure" in ada.texts
    ada.press("text-sop-all")
    assert ada.app.code[-1].value.endswith("y last")


def test_a_log_line_that_is_ticked_is_shown_whole(
    ada: Visitor, host: HostWriter, manager: RunManager
) -> None:
    run = host.add_run()
    message = "first " + "z" * 30_000 + " last"
    host.execute("INSERT INTO logs (thread_id, message) VALUES (%s, %s)", run, message)
    ada.at_run(run)
    assert "Tick a line to read it whole." in [one.value for one in ada.app.caption]
    (line,) = manager.reviewing.logs(host.admin, run, "logs", PageRequest()).items
    ada.held(_Opened).line = (run, "logs", line.key)
    assert ada.look().app.code[-1].value == message
    assert f"message · {len(message):,} characters" in ada.texts


def test_a_list_that_is_not_all_there_is_says_so(
    ada: Visitor, host: HostWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detail, "MAX_RERUNS", 2)
    monkeypatch.setattr(checkpoints, "MAX_WRITES", 2)
    run = host.add_run()
    host.add_traces(run, checkpoints=1, writes=3)
    for _ in range(3):
        host.add_run(parent_thread_id=run)
    ada.at_run(run)
    assert "The newest 2 of 3." in [one.value for one in ada.app.caption]
    opened = ada.held(checkpoint_list._Opened)
    opened.thread_id, opened.checkpoint = run, ("", "c1")
    assert "##### Writes · 3" in headings(ada.look())
    assert "The first 2 of 3." in [one.value for one in ada.app.caption]


def test_a_status_is_shown_whole(ada: Visitor, host: HostWriter) -> None:
    status = "waiting for a person who is asked to approve this"
    ada.at_run(host.add_run(status=status))
    assert any(status in one.proto.body for one in ada.app.get("html"))
