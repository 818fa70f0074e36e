"""What the API refuses, in one shape, and without a word of the database's."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from runmanager.api.body_limit import MAX_BODY_BYTES
from runmanager.api.context import MAX_DELETIONS_AT_ONCE
from runmanager.deletion import batch
from runmanager.errors import DatabaseAwayError
from tests.operations import until
from tests.outage import away

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter

PATHS = (
    "/runs", "/statuses", "/histogram", "/usernames", "/workspaces", "/runs/r-1", "/runs/r-1/logs",
    "/runs/r-1/checkpoints", "/runs/r-1/checkpoints/c1", "/runs/r-1/blobs", "/operations",
    "/operations/a", "/operations/a/receipt", "/operations/a/restore-plan", "/health",
)  # fmt: skip


def detail_of(response: Any, status: int) -> Any:
    assert response.status_code == status, (response.url, response.text)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert list(response.json()) == ["detail"]
    return response.json()["detail"]


def test_an_unknown_parameter_is_refused(caller: Caller) -> None:
    for name in ("usernmae", "Username", "username[]", "user name", "", "é"):
        for path in PATHS:
            (problem,) = detail_of(caller.client.get(path, params={name: "kate"}), 422)
            assert problem == {
                "loc": ["query", name], "msg": "Unknown query parameter", "type": "extra_forbidden",
            }, path  # fmt: skip


def test_an_unknown_parameter_is_refused_before_anything_is_deleted(
    host: HostWriter, caller: Caller
) -> None:
    run = host.add_run()
    body = {"thread_ids": [run]}
    detail_of(caller.client.request("DELETE", "/runs?dry_run=true", json=body), 422)
    detail_of(caller.client.post("/deletion-plan?x", json=body), 422)
    assert not host.is_gone(run)


def test_a_parameter_given_twice_is_refused(caller: Caller) -> None:
    for query in ("username=a&username=b", "page=1&page=1", "search=&search="):
        (problem,) = detail_of(caller.client.get(f"/runs?{query}"), 422)
        assert problem["msg"] == "Given more than once", query


OUT_OF_BOUNDS = (
    "page=0", "page=-1", "page=1000000001", "page=", "page=one", "page=1.5", "page=NaN",
    f"page={'9' * 5000}", "page=1e9", "page=٣x", "page_size=0", "page_size=201", "page_size=-5",
    "page_size=", "page=%00", "page=1%00", "page=0x10", f"search={'a' * 1001}",
    f"username={'a' * 301}", f"workspace={'a' * 301}",
)  # fmt: skip


def test_a_parameter_out_of_bounds_is_refused(caller: Caller) -> None:
    for query in OUT_OF_BOUNDS:
        (problem,) = detail_of(caller.client.get(f"/runs?{query}"), 422)
        assert problem["loc"] == ["query", query.split("=")[0]]
        assert "9" * 100 not in str(problem)


STRANGE = (
    "search=%00", "search=%ff", "username=%00", "workspace=%00", "username=%ED%A0%80",
    "search=%25", "workspace=99999999999999999999999", f"username={'a' * 300}",
    "search=%F0%9F%9A%9A", "page_size=200",
)  # fmt: skip


def test_strange_values_are_only_values(host: HostWriter, caller: Caller) -> None:
    host.add_run()
    for query in STRANGE:
        assert caller.client.get(f"/runs?{query}").json()["total"] in {0, 1}


UNKNOWN = (
    "/", "/nothing", "/nothing/", "/usernames/", "/usernames/x", "/health/", "/docs", "/redoc",
    "/openapi.json/", "/runsx", "//runs", "/Runs", "/token/x", "/deletion-plan/", "/%2e%2e/x",
    "/runs%2Fr-1", "/operations/", "/operations/a/", "/operations/a/b", "/operations/a/stop/",
)  # fmt: skip


def test_an_unknown_path_is_json(caller: Caller) -> None:
    for path in UNKNOWN:
        for method in ("GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"):
            assert detail_of(caller.client.request(method, path), 404) == "Not Found"


ALLOWED = {
    "/runs": "DELETE, GET",
    "/statuses": "GET",
    "/histogram": "GET",
    "/usernames": "GET",
    "/workspaces": "GET",
    "/runs/r-1": "GET",
    "/runs/r-1/logs": "GET",
    "/runs/r-1/checkpoints/c1": "GET",
    "/runs/a%2Fb": "GET",
    "/deletion-plan": "POST",
    "/operations": "GET, POST",
    "/operations/a": "GET",
    "/operations/a/receipt": "GET",
    "/operations/a/restore-plan": "GET",
    "/operations/a/stop": "POST",
    "/operations/a%2Fstop": "GET",
    "/token": "POST",
    "/health": "GET",
    "/openapi.json": "GET",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


def test_another_method_is_answered_with_those_that_are_right(caller: Caller) -> None:
    for path, allowed in ALLOWED.items():
        for method in METHODS:
            response = caller.client.request(method, path)
            if method in allowed.split(", "):
                assert response.status_code != 405, (method, path)
            else:
                assert response.status_code == 405, (method, path)
                assert response.headers["allow"] == allowed, (method, path)
                is_told = method == "HEAD" or list(response.json()) == ["detail"]
                assert is_told, (method, path)


def test_who_calls_comes_before_what_else_is_wrong(caller: Caller) -> None:
    caller.client.headers.pop("Authorization")
    detail_of(caller.client.get("/runs?usernmae=kate"), 401)
    detail_of(caller.client.get("/runs?page=0"), 401)
    detail_of(caller.client.request("DELETE", "/runs", json={}), 401)


# Bodies


def test_a_body_up_to_a_megabyte_is_read(caller: Caller) -> None:
    body = b'{"thread_ids":["r-1"]' + b" " * (MAX_BODY_BYTES - 22) + b"}"
    assert len(body) == MAX_BODY_BYTES
    headers = {"Content-Type": "application/json"}
    response = caller.client.request("DELETE", "/runs", content=body, headers=headers)
    assert response.json()["failed"] == [{"thread_id": "r-1", "error": "Run not found"}]
    detail_of(caller.client.request("DELETE", "/runs", content=b" " + body, headers=headers), 413)


def test_a_body_without_a_length_is_cut_off(host: HostWriter, caller: Caller) -> None:
    run = host.add_run()

    def pieces() -> Iterator[bytes]:
        yield b'{"thread_ids":["' + run.encode() + b'"]}'
        for _piece in range(200):
            yield b" " * 10_000

    for path, method in (("/runs", "DELETE"), ("/deletion-plan", "POST"), ("/token", "POST"),
                         ("/runs", "GET"), ("/nothing", "PUT")):  # fmt: skip
        response = caller.client.request(method, path, content=pieces())
        assert "longer than 1 MB" in detail_of(response, 413)
        assert response.headers["connection"] == "close"
    assert not host.is_gone(run)


def test_a_body_of_another_type_is_refused(caller: Caller) -> None:
    body = b'{"thread_ids":["r"]}'
    for kind in ("text/plain", "application/xml", "", "application/json+x"):
        headers = {"Content-Type": kind}
        response = caller.client.request("DELETE", "/runs", content=body, headers=headers)
        assert response.status_code == 422, kind
        detail_of(response, 422)


# The database


def test_a_database_that_is_away_is_503(
    host: HostWriter, caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caller.json("/runs")
    name = str(host.url.database)
    with away(host):
        for path in PATHS[:-1]:
            response = caller.client.get(path)
            assert response.headers["retry-after"] == "5"
            known, _, error = detail_of(response, 503).partition(" (error ")
            assert known == DatabaseAwayError().message
            assert f"(error {error}" in caplog.text
        response = caller.client.request("DELETE", "/runs", json={"thread_ids": ["r-1"]})
        assert name not in detail_of(response, 503)
        response = caller.client.post("/token", data={"username": "ada", "password": "x"})
        assert name not in detail_of(response, 503)
        caller.context.health._asked_at = -1.0
        assert caller.client.get("/health").json() == {"status": "ok", "database": False}
    caller.json("/runs")
    assert name not in caplog.text


def test_a_statement_that_takes_too_long_is_503(host: HostWriter, open_caller: OpenCaller) -> None:
    caller = open_caller(statement_timeout=0.2)
    host.add_run("r-1")
    with host.connection.transaction():
        host.execute("LOCK TABLE run_metadata IN ACCESS EXCLUSIVE MODE")
        response = caller.client.get("/runs")
        assert response.headers["retry-after"] == "5"
        assert "took too long" in detail_of(response, 503)
        response = caller.client.request("DELETE", "/runs", json={"thread_ids": ["r-1"]})
        assert "took too long" in detail_of(response, 503)
    assert caller.json("/runs")["total"] == 1


def test_what_the_database_cannot_do_is_503_without_its_words(
    host: HostWriter, caller: Caller
) -> None:
    host.add_run()
    host.execute(
        "ALTER TABLE run_metadata RENAME TO secret_runs;"
        "CREATE VIEW run_metadata AS SELECT thread_id, run_name, status, created_at, user_id,"
        " 1 / (length(thread_id) - length(thread_id)) AS workspace_id FROM secret_runs"
    )
    response = caller.client.get("/runs")
    assert "division" not in detail_of(response, 503)
    assert "SELECT" not in response.text


def test_a_required_column_that_is_gone_is_503_and_named(host: HostWriter, caller: Caller) -> None:
    host.add_run()
    host.execute("ALTER TABLE run_metadata RENAME COLUMN run_name TO title")
    missing = "The table “run_metadata” has no column “run_name”, which is needed."
    assert detail_of(caller.client.get("/runs"), 503).startswith(f"{missing} (error ")
    host.execute("ALTER TABLE run_metadata RENAME COLUMN title TO run_name")
    assert caller.json("/runs")["total"] == 1


def test_what_nobody_foresaw_is_500_without_a_word_of_it(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_arguments: object, **_named: object) -> None:
        raise RuntimeError("postgresql://kate:secret@db")

    monkeypatch.setattr(caller.manager.finding, "list_runs", break_down)
    response = caller.client.get("/runs")
    sentence = detail_of(response, 500)
    found = re.fullmatch(r"Run Manager could not do this \(error ([0-9a-f]{8})\)\.", sentence)
    assert found is not None
    line = rf"RuntimeError at tests/api/test_refusals\.py:\d+ \(error {found[1]}\)"
    assert re.search(line, caplog.text)
    assert "secret" not in caplog.text


# Too many


def test_deletions_beyond_those_at_work_are_429(
    host: HostWriter, open_caller: OpenCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    require_admin = batch.__dict__["require_admin"]

    def wait_at_the_gate(*arguments: object) -> None:
        assert gate.wait(20)
        require_admin(*arguments)

    monkeypatch.setattr(batch, "require_admin", wait_at_the_gate)
    caller = open_caller(pool_size=10)
    runs = host.add_runs(MAX_DELETIONS_AT_ONCE)
    with ThreadPoolExecutor(MAX_DELETIONS_AT_ONCE) as threads:
        going = [threads.submit(caller.delete, run) for run in runs]
        try:
            until(lambda: caller.context._deletions._value == 0)
            response = caller.client.request("DELETE", "/runs", json={"thread_ids": ["r"]})
            assert response.headers["retry-after"] == "60"
            assert "Too many deletions" in detail_of(response, 429)
            # Reading goes on meanwhile.
            assert caller.json("/runs")["total"] == MAX_DELETIONS_AT_ONCE
        finally:
            gate.set()
        assert [one.result(20)["deleted_count"] for one in going] == [1] * len(runs)
    assert caller.delete("r")["deleted_count"] == 0


def test_health_asks_the_database_once_however_many_want_to_know(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, asked = threading.Event(), []

    def ask() -> bool:
        asked.append(1)
        return gate.wait(20) and False

    caller.context.health.ask = ask
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(caller.client.get, "/health")
        until(lambda: asked)
        assert caller.client.get("/health").json()["database"] is True  # as far as is known
        gate.set()
        assert first.result(20).json()["database"] is False
    assert caller.client.get("/health").json()["database"] is False
    assert asked == [1]
