"""The log: one line for each record, whatever it holds, and errors by an id and their place."""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
import warnings
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from runmanager import logs
from runmanager.database import translated
from runmanager.errors import DatabaseAwayError, RunManagerError, RunNotFoundError
from tests.texts import HOSTILE, HostileText

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "postgresql://kate:s3cret@db"
HERE = r"tests/unit/test_logs\.py:\d+"
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ [\w.]+: .*")


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process whose log goes to stderr writes there."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    root, factory = logging.getLogger(), logging.getLogRecordFactory()
    before, last = list(root.handlers), logging.lastResort
    logs.to_stderr()
    yield written
    logging.captureWarnings(False)
    logging.setLogRecordFactory(factory)
    logging.getLogger("runmanager").setLevel(logging.NOTSET)
    root.handlers[:], logging.lastResort = before, last


def broken() -> None:
    raise KeyError(SECRET)


def caught() -> KeyError:
    try:
        broken()
    except KeyError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize("one", HOSTILE, ids=str)
@pytest.mark.parametrize("name", ["runmanager.api.context", "a.library", "asyncio"])
def test_a_record_is_one_line_of_what_can_be_printed(
    stderr: io.StringIO, name: str, one: HostileText
) -> None:
    logging.getLogger(name).warning("No %s: %r", one.text, {one.text: 1})
    (line,) = stderr.getvalue().splitlines()
    assert LINE.fullmatch(line)
    assert line.isprintable()
    assert one.mark in line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain, “quoted”, 日本 🦜", "plain, “quoted”, 日本 🦜"),
        ("a\r\nb\tc\x00", r"a\r\nb\tc\x00"),
        ("\x1b[2J\x9b", r"\x1b[2J\x9b"),
        ("\u202egnp.exe\u2066\u200b\ufeff", r"\u202egnp.exe\u2066\u200b\ufeff"),
        ("a\u2028b\u2029c\x85d\x0be", r"a\u2028b\u2029c\x85d\x0be"),
        ("\ud800", r"\ud800"),
        (r"a\nb", r"a\nb"),
        ("", ""),
    ],
)
def test_what_is_not_printed_is_written_out(text: str, line: str) -> None:
    assert logs.one_line(text) == line


@pytest.mark.parametrize("name", ["runmanager.audit", "a.library", "asyncio"])
def test_an_error_is_logged_by_its_type_its_place_and_its_id(
    stderr: io.StringIO, name: str
) -> None:
    error = caught()
    logging.getLogger(name).error("Uncaught", exc_info=error, stack_info=True)
    (line,) = stderr.getvalue().splitlines()
    assert re.search(rf"Uncaught: KeyError at {HERE} \(error {logs.error_id(error)}\)$", line)
    assert "s3cret" not in line


def test_a_logger_that_hands_nothing_on_is_heard_too(stderr: io.StringIO) -> None:
    alone = logging.getLogger("alone")
    alone.propagate = False
    alone.warning("No handler of its own\n")
    (line,) = stderr.getvalue().splitlines()
    assert LINE.fullmatch(line)
    assert line.endswith(" WARNING alone: No handler of its own")


def test_an_error_has_one_id_and_another_error_another() -> None:
    one, other = caught(), caught()
    assert re.fullmatch("[0-9a-f]{8}", logs.error_id(one))
    assert logs.error_id(one) == logs.error_id(one) != logs.error_id(other)


def test_what_a_library_raised_is_told_with_the_line_of_ours_that_led_there() -> None:
    with pytest.raises(re.error) as raised:
        re.compile("(")
    described = logs.described(raised.value)
    assert re.fullmatch(rf"\w+ at re\._parser:\d+, by {HERE} \(error \w{{8}}\)", described)


def test_a_database_error_is_told_with_its_code_and_where_it_was_asked() -> None:
    def ask() -> None:
        with translated():
            raise sa.exc.OperationalError(SECRET, {}, psycopg.errors.AdminShutdown(SECRET))

    with pytest.raises(DatabaseAwayError) as raised:
        ask()
    described = logs.described(raised.value)
    assert described.startswith("DatabaseAwayError from OperationalError 57P01 at runmanager/data")
    assert re.search(rf", by {HERE} \(error", described)
    assert "s3cret" not in described


def test_errors_behind_each_other_in_a_circle_are_told_once() -> None:
    one, other = caught(), caught()
    one.__context__, other.__context__ = other, one
    assert logs.described(one).startswith("KeyError from KeyError at ")


def test_what_is_told_has_the_id_that_the_log_has(caplog: pytest.LogCaptureFixture) -> None:
    told = logs.told(logging.getLogger("runmanager.x"), DatabaseAwayError())
    found = re.fullmatch(r"The database cannot be reached\..* \(error (\w{8})\)", told)
    assert found is not None
    assert caplog.records[0].getMessage().endswith(f"DatabaseAwayError (error {found[1]})")


@pytest.mark.parametrize("error", [RunNotFoundError(), RunNotFoundError("No such run.")])
def test_what_the_caller_got_wrong_is_told_without_an_id_and_not_logged(
    error: RunManagerError, caplog: pytest.LogCaptureFixture
) -> None:
    assert logs.told(logging.getLogger("runmanager.x"), error) == error.message
    assert not caplog.records


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_that_no_thread_catches_is_one_line(stderr: io.StringIO) -> None:
    thread = threading.Thread(target=broken)
    thread.start()
    thread.join()
    (line,) = stderr.getvalue().splitlines()
    assert re.search(rf"A thread ended unexpectedly: KeyError at {HERE} ", line)
    assert "s3cret" not in line


def test_an_error_that_cannot_be_raised_is_one_line(stderr: io.StringIO) -> None:
    class Leaving:
        def __del__(self) -> None:
            broken()

    Leaving()
    (line,) = stderr.getvalue().splitlines()
    assert re.search(rf"An error could not be raised: KeyError at {HERE} ", line)


def test_a_warning_is_one_line(stderr: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("two\nlines", stacklevel=1)
    (line,) = stderr.getvalue().splitlines()
    assert LINE.fullmatch(line)
    assert r"two\nlines" in line
