"""``openapi.json``: what tools and people read before they call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis

from runmanager.api import create_api
from runmanager.filters import ENTRIES, KINDS
from tests.api.conftest import bearer, token
from tests.api.live import live

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter

OPEN = {("/token", "post"), ("/health", "get")}
VERBS = ("pause", "resume", "stop", "retry", "restore", "purge")
# What is only begun, and goes on: its answer says where.
BEGUN = {("/operations", "post")} | {
    (f"/operations/{{operation_id}}/{one}", "post") for one in VERBS
}
ERRORS = {"401", "403", "404", "413", "422", "429", "503"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_api().openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_it_is_a_valid_document_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()


def test_it_lists_every_call_and_nothing_else(document: dict[str, Any]) -> None:
    assert {(path, method) for path, method, _operation in operations(document)} == {
        ("/runs", "get"),
        ("/runs", "delete"),
        ("/runs/{thread_id}", "get"),
        ("/runs/{thread_id}/text/{column}", "get"),
        ("/runs/{thread_id}/logs", "get"),
        ("/runs/{thread_id}/logs/line", "get"),
        ("/runs/{thread_id}/checkpoints", "get"),
        ("/runs/{thread_id}/checkpoints/{checkpoint_id}", "get"),
        ("/runs/{thread_id}/blobs", "get"),
        ("/statuses", "get"),
        ("/histogram", "get"),
        ("/filters", "get"),
        ("/filters/{key}/values", "get"),
        ("/usernames", "get"),
        ("/workspaces", "get"),
        ("/deletion-plan", "post"),
        ("/operations", "get"),
        ("/operations", "post"),
        ("/operations/{operation_id}", "get"),
        ("/operations/{operation_id}/receipt", "get"),
        ("/operations/{operation_id}/restore-plan", "get"),
        *((f"/operations/{{operation_id}}/{verb}", "post") for verb in VERBS),
        *OPEN,
    }


def test_every_call_names_its_security_but_the_two_that_need_none(document: dict[str, Any]) -> None:
    (scheme,) = document["components"]["securitySchemes"].items()
    assert (scheme[1]["type"], scheme[1]["scheme"]) == ("http", "bearer")
    assert scheme[1]["bearerFormat"] == "JWT"
    for path, method, operation in operations(document):
        wanted: object = None if (path, method) in OPEN else [{scheme[0]: []}]
        assert operation.get("security") == wanted, path


def test_every_error_is_there_with_its_shape_and_its_words(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        done = {"202", "409"} if (path, method) in BEGUN else {"200"}
        assert set(operation["responses"]) >= ERRORS | done, path
        assert ("200" in operation["responses"]) == ("202" not in done), path
        assert operation["summary"]
        assert operation["description"]
        for status in ERRORS:
            answer = operation["responses"][status]
            assert answer["description"]
            shape = answer["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
            assert "detail" in document["components"]["schemas"][shape]["properties"]


def test_what_is_sent_and_answered_has_examples(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in (
        "ListedRun", "Runs", "StatusRuns", "StatusesOfRuns", "Bucket", "RunsOverTime",
        "Usernames", "Workspaces", "ThreadIds", "Matching", "Failure", "Problem", "Start",
        "Operation", "ListedOperations", "KeptCopy", "Forecast",
    ):  # fmt: skip
        for field, shape in schemas[name]["properties"].items():
            refers = "$ref" in str(shape) or shape.get("type") == "boolean"
            assert refers or "examples" in shape, f"{name}.{field}"


WITH_FILTERS = ("/runs", "/statuses", "/histogram")


def parameters(document: dict[str, Any], path: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in document["paths"][path]["get"]["parameters"]}


def test_every_filter_is_a_parameter_of_each_call_that_takes_them(
    document: dict[str, Any],
) -> None:
    for path in WITH_FILTERS:
        known = parameters(document, path)
        assert {*ENTRIES, "without"} <= set(known)
        for name, one in known.items():
            assert one["description"], f"{path} {name}"
            assert not one["required"], f"{path} {name}"
        # Only these two are lists, which a tool sends by repeating the name.
        assert {name for name, one in known.items() if one["schema"]["type"] == "array"} == {
            "kind",
            "status",
        }
        assert known["kind"]["schema"]["items"]["enum"] == [*KINDS, ""]
        assert known["status"]["schema"]["maxItems"] == known["kind"]["schema"]["maxItems"] == 50


def test_what_is_written_in_a_way_of_its_own_has_examples_that_are_read(
    document: dict[str, Any], caller: Caller
) -> None:
    for path in WITH_FILTERS:
        for name in ("status", "kind", "since", "until", "longer_than", "error"):
            for example in parameters(document, path)[name]["schema"]["examples"]:
                caller.json(path, **{name: example})
    for sort in parameters(document, "/runs")["sort"]["schema"]["enum"]:
        caller.json("/runs", sort=sort)
    for zone in parameters(document, "/histogram")["zone"]["schema"]["examples"]:
        caller.json("/histogram", zone=zone)


def test_a_filter_in_a_body_has_the_names_of_the_parameters(document: dict[str, Any]) -> None:
    known = document["components"]["schemas"]["FilterBody"]
    assert set(known["properties"]) == set(parameters(document, "/statuses"))
    assert known["additionalProperties"] is False
    assert "required" not in known


def test_what_is_begun_says_where_it_is(document: dict[str, Any]) -> None:
    for path, method in BEGUN:
        answer = document["paths"][path][method]["responses"]["202"]
        assert answer["headers"]["Location"]["description"]
        assert answer["content"]["application/json"]["schema"]


def test_a_receipt_comes_as_json_or_html(document: dict[str, Any]) -> None:
    answers = document["paths"]["/operations/{operation_id}/receipt"]["get"]["responses"]
    assert set(answers["200"]["content"]) == {"application/json", "text/html"}


SERVED = [{"url": "/admin/run-manager"}]


def test_it_is_served_under_the_prefix_and_no_page_is(caller: Caller, api_document: Any) -> None:
    assert caller.json("/openapi.json") == api_document | {"servers": SERVED}
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        caller.json(path, 404)


def test_only_who_may_call_reads_it(caller: Caller, host: HostWriter) -> None:
    caller.client.headers.update(bearer(token(host.add_user("kate"))))
    assert "paths" not in caller.json("/openapi.json", 403)
    caller.client.headers.pop("Authorization")
    assert "paths" not in caller.json("/openapi.json", 401)


def test_where_the_settings_say_so_anybody_reads_it(
    open_caller: OpenCaller, api_document: Any
) -> None:
    caller = open_caller(openapi="public")
    caller.client.headers.pop("Authorization")
    assert caller.json("/openapi.json") == api_document | {"servers": SERVED}
    caller.json("/runs", 401)


@pytest.fixture
def api_document(document: dict[str, Any]) -> dict[str, Any]:
    return document


def test_the_live_process_serves_the_same(
    host: HostWriter, tmp_path: Path, document: dict[str, Any]
) -> None:
    with live(host.url, tmp_path, RUNMANAGER_OPENAPI="public") as running:
        schema = schemathesis.openapi.from_url(f"{running.api}/openapi.json")
        assert schema.raw_schema["servers"] == [{"url": "/admin/run-manager"}]
        assert schema.raw_schema["paths"] == document["paths"]
        assert len(list(schema.get_all_operations())) == 29
        assert "is not set" not in running.log.read_text()
