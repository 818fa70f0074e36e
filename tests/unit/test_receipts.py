"""Receipts as documents: the same facts in JSON and in HTML, in which all text is text."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import tracemalloc
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from runmanager.errors import ArchiveError
from runmanager.receipts import POLICY, html_of, json_of, read_receipt

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD: dict[str, Any] = {
    "operation_id": "0f3c",
    "kind": "deletion",
    "actor": "ada",
    "actor_id": "1",
    "how": "api",
    "reason": "GDPR request 17",
    "filter": "user “kate”",
    "until": "2026-11-26T10:00:00+00:00",
    "started_at": "2026-11-26T10:00:00.123+00:00",
    "ended_at": "2026-11-26T11:01:02+01:00",
    "seconds": 61.9,
    "stopped": False,
    "interruptions": 0,
    "deleted": 2,
    "failed": 1,
    "rows": {"run_metadata": 2, "logs": 12407},
    "stored_bytes": 123456,
    "kept": {"invoices": 5},
    "also_gone": {"tool_calls": 30},
    "left_behind": {"billing_events": None},
    "left_out": [{"thread_id": "r-9", "title": "Busy", "reason": "Run is still running"}],
    "left_out_total": 3,
    "came_back": {},
    "came_back_runs": [],
    "archive": {"place": "the archive", "bytes": 12345, "until": "2026-12-26T10:00:00+00:00",
                "purged_at": None},
}  # fmt: skip
RUNS: list[dict[str, Any]] = [
    {"thread_id": "r-1", "title": "Order 1", "started": "2026-05-03T16:02:11.532+02:00",
     "outcome": "deleted", "rows": {"run_metadata": 1, "logs": 12000}},
    {"thread_id": "r-2", "title": "r-2", "started": None, "outcome": "deleted",
     "rows": {"run_metadata": 1, "logs": 407}},
    {"thread_id": "r-3", "title": "Held", "started": "infinity", "outcome": "failed",
     "error": "A row of “holds” refers to it.", "rows": {}},
]  # fmt: skip


class Reader(HTMLParser):
    """The texts and the tags of a document, as a browser would find them."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th", "li", "h2"}:
            self.texts.append("\n")

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def html(head: dict[str, Any] | None = None, runs: Any = RUNS) -> str:
    return "".join(html_of(HEAD if head is None else head, runs))


def text(runs: Any = RUNS, **changed: Any) -> str:
    return Reader(html(HEAD | changed, runs)).text


def many(number: int) -> Iterator[dict[str, Any]]:
    for one in range(number):
        yield RUNS[0] | {"thread_id": f"r-{one}"}


class Dripping(io.BytesIO):
    """A source that gives seven bytes at a time, whatever is asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(7, size) if size and size > 0 else 7)


@pytest.mark.parametrize("runs", [RUNS, RUNS[:1], []])
def test_what_is_written_as_json_is_read_back(runs: list[dict[str, Any]]) -> None:
    document = b"".join(json_of(HEAD, runs))
    assert document.isascii()
    for source in (io.BytesIO(document), Dripping(document)):
        head, found = read_receipt(source)
        assert (head, list(found)) == (HEAD, runs)


def test_the_json_is_one_object_with_a_run_a_line() -> None:
    document = b"".join(json_of(HEAD, RUNS))
    assert json.loads(document) == HEAD | {"runs": RUNS}
    lines = document.decode().splitlines()
    assert [line for line in lines if line.startswith('{"thread_id":"r-')] == lines[-4:-1]


STRANGE = '"runs":[\n]}\n\u2028\0\ud800 \U0001f69a </script>'


def test_no_text_is_taken_for_a_part_of_the_document() -> None:
    head = HEAD | {"reason": STRANGE, "filter": '"runs":['}
    runs = [RUNS[0] | {"thread_id": "]}", "title": STRANGE}]
    found, read = read_receipt(Dripping(b"".join(json_of(head, runs))))
    assert (found, list(read)) == (head, runs)


def test_a_document_that_is_not_whole_is_never_taken_for_one() -> None:
    document = b"".join(json_of(HEAD, RUNS)).rstrip()

    def read(left: int) -> None:
        _head, runs = read_receipt(io.BytesIO(document[:left]))
        list(runs)

    for left in range(len(document)):
        with pytest.raises(ArchiveError, match="damaged"):
            read(left)
    read(len(document))


def test_it_says_who_did_what_when_why_and_by_which_door() -> None:
    found = text()
    for said in (
        "Receipt of a deletion", "2 runs deleted, 1 failed, 3 left out: 12,409 rows, 120.6 KiB",
        "ada (id 1), through the API", "GDPR request 17", "user “kate”",
        "started at 2026-11-26 10:00:00 UTC or earlier", "Begun 2026-11-26 10:00:00 UTC",
        "Ended 2026-11-26 10:01:02 UTC", "61.9 seconds", "0f3c", "run_metadata 2", "logs 12,407",
        "invoices 5", "tool_calls 30", "billing_events not counted",
        "Left out: 3 runs, of which 1 stand here", "Busy r-9 Run is still running",
    ):  # fmt: skip
        assert said in found


def test_each_run_has_its_name_id_start_and_what_became_of_it() -> None:
    found = text()
    assert "Order 1 r-1 2026-05-03 14:02:11 UTC deleted 12,001" in found
    assert "r-2 r-2 unknown deleted 408" in found
    assert "Held r-3 infinity failed: A row of “holds” refers to it. 0" in found


def test_it_says_whether_a_copy_is_left() -> None:
    archive = HEAD["archive"]
    assert "A copy is kept until 26 December 2026, 12.1 KiB." in text()
    purged = text(archive=archive | {"purged_at": "2026-12-01T09:00:00+00:00"})
    assert "The copy was purged on 1 December 2026." in purged
    assert "is kept" not in purged
    assert "No copy was kept." in text(archive=None)
    assert "No copy" not in text(kind="restore", restored=2, archive=None)


def test_it_says_what_came_back_and_what_nobody_could_look_at() -> None:
    assert "nothing of these runs was left" in text()
    assert "could not be looked at" in text(came_back=None)
    back = text(came_back={"checkpoints": 149}, came_back_runs=["r-1", "r-2"])
    assert "Came back: 2 runs, 149 rows, written by a worker afterwards" in back
    assert "149 in checkpoints" in back
    assert "Runs with rows that came back r-1 r-2" in back
    assert "nothing of these runs was left" not in back


def test_a_restore_says_what_is_not_as_it_was() -> None:
    head = {"kind": "restore", "restored": 1, "told": ["Column “sop” is gone."], "parent": "0f3b"}
    found = Reader(html(head, [RUNS[0] | {"outcome": "restored"}])).text
    for said in ("Receipt of a restore", "1 run restored", "Column “sop” is gone.", "0f3b"):
        assert said in found
    assert "came back" not in found.lower()


def test_one_that_was_stopped_or_interrupted_says_so() -> None:
    found = text(stopped=True, interruptions=2)
    assert "It was stopped before all was done." in found
    assert "2 interruptions: gone on with each time" in found


def test_a_receipt_of_which_everything_is_missing_is_still_a_document() -> None:
    found = Reader(html({}, [{}]))
    assert "Receipt of an operation" in found.text
    assert "unknown" in found.text


HOSTILE = (
    "<script>alert(1)</script>", "</td></table><img src=x onerror=alert(1)>", "<!--", "]]>",
    "\" onmouseover=\"alert(1)", "' style='x", "&lt;b&gt;", "</style><style>*{display:none}",
    "<svg/onload=alert(1)>", "<a href=javascript:alert(1)>x</a>", "<meta http-equiv=refresh>",
)  # fmt: skip


def everywhere(hostile: str) -> str:
    """The document with ``hostile`` in each place where text of somebody's stands."""
    head: dict[str, Any] = {
        name: hostile if isinstance(value, str) else value for name, value in HEAD.items()
    }
    head |= {name: {hostile: 1} for name in ("rows", "kept", "also_gone", "left_behind")}
    head |= {
        "left_out": [dict.fromkeys(("thread_id", "title", "reason"), hostile)],
        "came_back": {hostile: 2},
        "came_back_runs": [hostile],
        "told": [hostile],
        "parent": hostile,
        "archive": {"place": hostile, "bytes": 1, "until": hostile, "purged_at": hostile},
    }
    run = dict.fromkeys(("thread_id", "title", "started", "outcome", "error"), hostile)
    return html(head, [run | {"rows": {hostile: 1}}])


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_of_the_hosts_is_text(hostile: str) -> None:
    document = everywhere(hostile)
    found, harmless = Reader(document), Reader(everywhere("harmless"))
    assert found.tags == harmless.tags
    said = "".join(harmless.texts).count("harmless")
    assert "".join(found.texts).count(hostile) == said > 20


UNSEEN = ("\x00", "\x07", "\x1b", "\x7f", "\x85", "\u061c", "\u200b", "\u200f", "\u2028", "\u202e",
          "\u2066", "\ufeff", "\ud800", "\udfff", "\U000e0041", "\r", "\n", "\t")  # fmt: skip


@pytest.mark.parametrize("unseen", UNSEEN)
def test_what_is_not_seen_or_turns_the_text_is_named(unseen: str) -> None:
    document = everywhere(f"a{unseen}b")
    assert f"a{unseen}b" not in document
    assert f"a⟨U+{ord(unseen):04X}⟩b" in document
    document.encode("utf-8")


def test_letters_of_every_script_stay_as_they_are() -> None:
    for name in ("Zoë", "张伟", "עברית", "🚚 e\u0301", "👩\u200d🚀", "न\u094d\u200dन"):
        assert name in everywhere(name)


def test_nothing_runs_and_nothing_is_fetched() -> None:
    found = Reader(html())
    tags = {tag for tag, _attributes in found.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "base", "form", "a", "svg"}
    names = {name for _tag, attributes in found.tags for name in attributes}
    assert names == {"lang", "charset", "http-equiv", "content", "name", "class", "scope"}
    assert not re.search(r"url\(|@import|https?:", html())


def test_its_own_policy_lets_its_own_style_in_and_nothing_else() -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", html(), re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (said,) = (one["content"] for _tag, one in Reader(html()).tags if one.get("http-equiv"))
    wanted = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert said == wanted
    assert f"{wanted}; frame-ancestors 'none'; sandbox" == POLICY


def test_a_long_receipt_is_made_piece_by_piece() -> None:
    tracemalloc.start()
    try:
        for pieces in (html_of(HEAD, many(30_000)), json_of(HEAD, many(30_000))):
            assert max(len(piece) for piece in pieces) < 100_000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
