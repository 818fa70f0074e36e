"""What a signed-in session sends, and no browser would, ends in one line and one sentence each.

It may send any value for any widget, values that are none, and messages that are none. Nothing of
that may run a script again and again, put a traceback anywhere, or forge a line of the log.
"""

from __future__ import annotations

import json
import socket
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from runmanager.api.application import PREFIX
from tests.api.conftest import SECRET, token
from tests.hostile_host import FAILS
from tests.hostile_messages import (
    FORGED,
    PAGES,
    SOME_VALUES,
    VALUES_OF_TABLES,
    Log,
    furnish,
    ids_in,
    opened,
    try_values,
)
from tests.hosts import SHAPES, HostWriter, connect
from tests.processes import AppProcess, settings_for
from tests.texts import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Server

# One worker opens what all of these share.
pytestmark = pytest.mark.xdist_group("hostile")


@pytest.fixture(scope="module")
def host(server: Server) -> Iterator[HostWriter]:
    """A host with a few runs, for all tests of this file."""
    shape = SHAPES[0]
    url = server.url(server.create(shape), shape)
    with connect(url) as connection:
        host = HostWriter(shape, url, connection)
        furnish(host)
        yield host


@pytest.fixture(scope="module")
def app(host: HostWriter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    """Run Manager on that host."""
    settings = settings_for(host.url) | {"RUNMANAGER_JWT_SECRET": SECRET}
    running = AppProcess(tmp_path_factory.mktemp("hostile") / "log", settings).ready()
    yield running
    running.stop()


@pytest.fixture
def log(app: AppProcess) -> Iterator[Log]:
    """What the process says from now on, every line of which is one."""
    log = Log(app)
    yield log
    log.lines()


@pytest.mark.parametrize("page", PAGES)
def test_no_value_of_a_widget_writes_a_traceback_or_runs_a_page_for_ever(
    app: AppProcess, page: str
) -> None:
    tried = try_values(app, page, SOME_VALUES)
    assert len(tried.widgets) >= 8
    assert len(tried.ids) >= len(tried.widgets)
    assert tried.wrong == []


@pytest.mark.parametrize(("page", "table"), [("runs", "-grid-"), ("run", "-timeline-")])
def test_no_edit_and_no_choice_in_a_table_does_so(app: AppProcess, page: str, table: str) -> None:
    tried = try_values(app, page, VALUES_OF_TABLES, of=table)
    assert tried.widgets
    assert tried.ids
    assert tried.wrong == []


@pytest.mark.parametrize("name", ["no such widget", FORGED, "", "$$ID-x-y", "run_manager"])
def test_a_widget_that_there_is_none_of_runs_the_page_once(
    app: AppProcess, log: Log, name: str
) -> None:
    with opened(app) as tab:
        for _ in range(3):
            runs = tab.runs
            tab.rerun(WidgetState(id=name, string_value=FORGED))
            messages = tab.settle(quiet=0.5)
            assert tab.runs == runs + 1
            assert not list(tab.elements("exception", messages))
            assert ids_in(tab.texts_of(messages)) <= ids_in(log.lines())


@pytest.mark.parametrize(
    "fields",
    [
        {"fragment_id": FORGED},
        {"page_script_hash": FORGED},
        {"page_script_hash": "0" * 32, "page_name": "../../etc/passwd"},
        {"page_name": FORGED},
        {"query_string": "%zz&=&&\x00\x1b"},
        {"query_string": "a=1&" * 20_000},
        {"is_auto_rerun": True, "is_history_navigation": True},
    ],
    ids=lambda fields: ",".join(fields),
)
def test_a_rerun_of_what_there_is_not_runs_a_page_once_at_most(
    app: AppProcess, log: Log, fields: dict[str, Any]
) -> None:
    with opened(app) as tab:
        runs = tab.runs
        tab.rerun(**fields)
        messages = tab.settle(patience=1)
        assert tab.runs <= runs + 1
        assert not list(tab.elements("exception", messages))
        tab.rerun()
        tab.settle()
        assert "signed in as ada" in tab.texts


def operation() -> BackMsg:
    """A request for what Streamlit does beside its scripts."""
    message = BackMsg()
    message.backend_operation_request.request_id = FORGED
    message.backend_operation_request.session_id = FORGED
    message.backend_operation_request.deferred_file.file_id = FORGED
    return message


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\xff\xfeno message", "a text frame", FORGED, BackMsg(), operation(),
        BackMsg(debug_shutdown_runtime=True), BackMsg(debug_disconnect_websocket=True),
        BackMsg(clear_cache=True), BackMsg(load_git_info=True), BackMsg(set_run_on_save=True),
        BackMsg(stop_script=True),
    ],
    ids=range(12),
)  # fmt: skip
def test_a_message_that_is_none_runs_nothing(
    app: AppProcess, log: Log, message: BackMsg | bytes | str
) -> None:
    with opened(app) as tab:
        runs = tab.runs
        tab.send(message)
        messages = tab.settle(patience=0.5)
        assert tab.runs == runs
        assert not list(tab.elements("exception", messages))
    opened(app).close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\xff\r\n\r\n",
        b"GET /\x1b[31m HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x0bb\r\n\r\n",
        b"GET /%0a2026-01-01%20INFO%1b[31m HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /admin/run-manager/%0a%1b[31m HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /admin/run-manager/runs HTTP/1.1\r\nHost: x\r\nAuthorization: \xe2\x80\xae\r\n\r\n",
        b"GET /media/%0a.csv HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: \xe2\x80\xae\r\nConnection: upgrade\r\n\r\n",
    ],
    ids=range(8),
)
def test_a_request_forges_no_line(app: AppProcess, log: Log, request_bytes: bytes) -> None:
    place = urlsplit(app.url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), 10) as connection:
        connection.sendall(request_bytes)
        connection.settimeout(10)
        assert connection.recv(100).startswith(b"HTTP/1.1 ")
    log.lines()


def test_what_a_host_calls_things_forges_no_line(
    app: AppProcess, log: Log, host: HostWriter
) -> None:
    host.add_trigger("run_metadata", FAILS)
    for number, one in enumerate(HOSTILE):
        name = f"{one.text[:500]} {number}"
        user_id = host.add_user(name, is_admin=True)
        run = host.add_run(name, name=one.text)
        answer = delete(app, token(user_id), run, name)
        assert [failed["thread_id"] for failed in answer["failed"]] == [run]
        lines = [text for text in log.lines() if json.dumps(name) in text]
        audit = [json.loads(line.partition(" runmanager.audit: ")[2]) for line in lines]
        assert [line["event"] for line in audit] == ["deletion started", "deletion ended"]
        assert {line["actor"] for line in audit} == {name}
    host.execute("DROP TRIGGER refuse ON run_metadata")


def delete(app: AppProcess, bearer: str, *thread_ids: str) -> Any:
    """What the API answers to the wish that these runs be deleted."""
    request = urllib.request.Request(  # noqa: S310  our own address
        f"{app.url}{PREFIX}/runs",
        json.dumps({"thread_ids": thread_ids}).encode(),
        {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"},
        method="DELETE",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  the same
        return json.load(answer)
