"""Hostile values in every place where the API takes one: no server error, nothing deleted.

    python -m tests.security.values

Curated, where ``make fuzz`` generates: each value goes into each parameter of each call, into
paths, bodies, forms and headers, with an administrator's token. Statements of SQL among them ask
for a pause, which would show.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_from_bytes, urlencode

import jwt

from runmanager.api import create_api
from runmanager.api.application import PREFIX
from tests.security.report import Report, leave
from tests.security.target import JWT_SECRET, own_target
from tests.texts import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.security.target import Instance, Target

# A statement that pauses, would pause so long.
_PAUSE_SECONDS = 6
_SQL = (
    "' OR '1'='1",
    "' OR 1=1 --",
    '" OR ""="',
    "') OR ('1'='1",
    "1; DROP TABLE run_metadata; --",
    f"'; SELECT pg_sleep({_PAUSE_SECONDS}); --",
    f"' || pg_sleep({_PAUSE_SECONDS}) || '",
    f"1 AND pg_sleep({_PAUSE_SECONDS}) IS NULL",
    "' UNION SELECT password_hash FROM users --",
    "%' ESCAPE '!",
    "_%\\%",
    "\\'; COPY users TO PROGRAM 'id'; --",
    "$$; SELECT 1; $$",
    "/*",
    "*/ OR /*",
    "E'\\x27'",
    "U&'\\0027'",
    "::int",
    "ANY(ARRAY[1])",
    "\ufe00'",
    "\u02bc OR 1=1",
    "\uff07 OR 1=1",
    "thread_id) OR (1=1",
    "chr(39)||chr(39)",
    "current_setting('x')",
    "xmin",
    "ctid",
    "tableoid",
)
_NUMBERS = (
    "0",
    "-1",
    "1e3",
    "1_000",
    "0x10",
    "١٢",
    "1.5",
    "NaN",
    "Infinity",
    "-0",
    "2147483648",
    "9223372036854775808",
    "1" * 400,
    " 1",
    "1 ",
    "+1",
    "true",
    "null",
    "[]",
    "last",
    "last-",
    "last--1",
    "last-99999999999999999999",
)
_SHAPES = (
    "",
    " ",
    "\t",
    "\r\nX-Evil: 1",
    "\x00",
    "a\x00b",
    "\x1b[31m",
    "\ud800",
    "\udfff\ud800",
    "é" * 9000,
    "a" * 15_000,
    "../" * 20 + "etc/passwd",
    "..\\..\\windows",
    "/",
    "//",
    "%2e%2e%2f",
    "%00",
    "%",
    "%zz",
    ";",
    "&",
    "=",
    "?",
    "#",
    "a&page=2",
    "[0]",
    "{}",
    '{"$gt":""}',
    "{{7*7}}",
    "${jndi:ldap://x}",
    "#{7*7}",
    "<%= 7 %>",
    "__proto__",
    "constructor",
    "__class__.__mro__",
    "\u202egnp",
    "\u200b",
    "\ufeff",
    "🍪" * 100,
    "00000000-0000-0000-0000-000000000000",
    "A" * 36,
    "(null)",
    "undefined",
    "None",
)
VALUES = (*_SQL, *_NUMBERS, *_SHAPES, *(one.text for one in HOSTILE))
# One place each, for what is no text of a query or a path.
_BODIES: tuple[bytes, ...] = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"1",
    b"\xff\xfe",
    b'{"thread_ids":null}',
    b'{"thread_ids":"x"}',
    b'{"thread_ids":{}}',
    b'{"thread_ids":[null]}',
    b'{"thread_ids":[1]}',
    b'{"thread_ids":[[]]}',
    b'{"thread_ids":[{}]}',
    b'{"thread_ids":[true]}',
    b'{"thread_ids":["\\u0000"]}',
    b'{"thread_ids":["\\ud800"]}',
    b'{"thread_ids":[],"include_running":"yes"}',
    b'{"thread_ids":["x"],"extra":1}',
    b'{"thread_ids":["x"],"thread_ids":["y"]}',
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b'{"thread_ids":[' + b'"x",' * 20_000 + b'"x"]}',
    b'{"thread_ids":["' + b"x" * 900_000 + b'"]}',
    b'{"thread_ids":[1e999]}',
    b'{"thread_ids":[NaN]}',
)
_HEADERS = (
    "Accept",
    "Accept-Language",
    "Content-Type",
    "Range",
    "If-None-Match",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "Forwarded",
    "X-HTTP-Method-Override",
    "X-Original-URL",
)


def attack(target: Target, instance: Instance, report: Report, *, step: int = 1) -> None:
    """Every value in every place, or each ``step``-th of them."""
    before = target.host.execute("SELECT count(*) FROM run_metadata")
    # One of the host's own: it lasts, whatever is guessed meanwhile.
    claims = {"sub": target.host.admin.user_id, "exp": int(time.time()) + 3600}
    token = jwt.encode(claims, JWT_SECRET, algorithm="HS256")
    asked = [*_queries(target), *_paths(target), *_forms(), *_bodies(), *_headers()][::step]
    for kind, method, path, headers, body in asked:
        report.count(kind)
        started = time.monotonic()
        answer = instance.ask(
            method, f"{PREFIX}{path}", {"Authorization": f"Bearer {token}"} | headers, body
        )
        if answer.status >= 500 or answer.status == 0:
            report.broke(f"{kind}: {answer.status} to {method} {path[:150]} {body[:80]!r}")
        if time.monotonic() - started > _PAUSE_SECONDS:
            report.broke(f"{kind}: a pause at {method} {path[:150]}")
    said = instance.app.said
    report.require("Traceback" not in said, "a traceback in the log")
    after = target.host.execute("SELECT count(*) FROM run_metadata")
    report.require(before == after, "runs were deleted")


_Asked = tuple[str, str, str, dict[str, str], bytes]


def _queries(target: Target) -> Iterator[_Asked]:
    for path, parameters in _reading_calls(target):
        for name in (*parameters, "made_up"):
            for value in VALUES:
                yield "query values", "GET", f"{path}?{name}={_quoted(value)}", {}, b""


def _paths(target: Target) -> Iterator[_Asked]:
    run = quote(target.run_id)
    for value in VALUES:
        text = _quoted(value)
        for path in (
            f"/runs/{text}",
            f"/runs/{run}/text/{text}",
            f"/runs/{run}/checkpoints/{text}",
            f"/filters/{text}/values",
            f"/operations/{text}",
            f"/operations/{text}/receipt",
            f"/operations/{text}/restore-plan",
            f"/{text}",
        ):
            yield "path values", "GET", path, {}, b""


def _forms() -> Iterator[_Asked]:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    # A few: a name that is tried too often is answered without being looked at.
    for value in VALUES[::8]:
        safe = value.encode(errors="surrogatepass")
        for fields in (
            {"username": safe, "password": b"x"},
            {"username": b"ada ", "password": safe},
        ):
            yield "form values", "POST", "/token", form, urlencode(fields).encode()


def _bodies() -> Iterator[_Asked]:
    headers = {"Content-Type": "application/json"}
    listed = [json.dumps({"thread_ids": [value]}).encode() for value in VALUES]
    asked = [
        json.dumps(body).encode()
        for value in VALUES
        for body in (
            {"filter": {"search": value}, "until": value, "except": [value]},
            {"filter": {"search": value, "username": value, "kind": [value], "since": value}},
            {"plan_id": value, "reason": value},
        )
    ]
    for body in (*_BODIES, *listed):
        yield "bodies", "POST", "/deletion-plan", headers, body
    for body in asked:
        yield "bodies", "POST", "/deletion-plan", headers, body
        yield "bodies", "POST", "/operations", headers, body
    # None of these is a run's id.
    for body in (*_BODIES, *listed):
        yield "bodies", "DELETE", "/runs", headers, body
        yield "bodies", "POST", "/operations", headers, body
        yield "bodies", "POST", "/operations/none/restore", headers, body


def _headers() -> Iterator[_Asked]:
    for name in _HEADERS:
        for value in VALUES[::4]:
            text = (
                value.encode(errors="ignore").decode().encode("latin-1", "ignore").decode("latin-1")
            )
            if text.isprintable() and len(text) < 4000:
                yield "header values", "GET", "/runs?page_size=1", {name: text}, b""


def _reading_calls(target: Target) -> Iterator[tuple[str, list[str]]]:
    """The path of each GET that takes parameters, with their names."""
    document: dict[str, Any] = create_api().openapi()
    ids = {"thread_id": target.run_id, "column": "error_message", "checkpoint_id": "c1"}
    ids |= {"key": "username", "operation_id": "none"}
    for path, methods in document["paths"].items():
        if "get" not in methods:
            continue
        names = [
            one["name"] for one in methods["get"].get("parameters", []) if one["in"] == "query"
        ]
        filled = path
        for name, value in ids.items():
            filled = filled.replace(f"{{{name}}}", quote(value))
        if names:
            yield filled, names


def _quoted(value: str) -> str:
    return quote_from_bytes(value.encode(errors="surrogatepass"), safe="")


def main() -> None:
    """Attack, print, and exit 1 where anything broke."""
    report = Report("values")
    with own_target() as target:
        attack(target, target.serve(), report)
    report.require(report.total >= 1200, "fewer than 1,200 were tried")
    leave(report)


if __name__ == "__main__":
    main()
