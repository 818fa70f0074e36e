"""The receipt as one HTML document: nothing in it runs, and nothing is fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from runmanager.receipts import words
from runmanager.receipts.words import plain
from runmanager.text import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PIECE = 65_536
_STYLE = """
@page { size: A4; margin: 18mm 15mm;
  @bottom-right { content: counter(page) " / " counter(pages); } }
body { font: 10pt/1.45 system-ui, sans-serif; color: #111; background: #fff; margin: 2rem auto;
  max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 17pt; margin: 0 0 .3rem; }
h2 { font-size: 12pt; margin: 1.6rem 0 .4rem; break-after: avoid; }
table { border-collapse: collapse; width: 100%; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem .25rem 0;
  border-bottom: 1px solid #bbb; overflow-wrap: anywhere; }
table.facts th { width: 9rem; font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.time { white-space: nowrap; }
code { font: 9pt ui-monospace, monospace; overflow-wrap: anywhere; }
p.copy { border: 1.5px solid #111; padding: .5rem .7rem; font-weight: 600; }
.failed { font-weight: 600; }
@media print { body { margin: 0; max-width: none; padding: 0; } }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# What the document says of itself, and what it is sent with: its own style, and nothing else.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
# A document cannot say these of itself.
_OWN_POLICY = POLICY.removesuffix("; frame-ancestors 'none'; sandbox")


def html_of(head: Mapping[str, Any], runs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The document of a receipt, in pieces of some size; the fields are those of ``json_of``.

    All text in it is text, whatever it holds, and every character of it can be encoded.
    """
    piece: list[str] = []
    length = 0
    for text in _texts(head, runs):
        piece.append(text)
        length += len(text)
        if length >= PIECE:
            yield "".join(piece)
            piece, length = [], 0
    yield "".join(piece)


def _texts(head: Mapping[str, Any], runs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield _beginning(head)
    yield _numbers("Rows by table", "Rows", head.get("rows"))
    yield _numbers("Also gone: rows that the database took along", "Rows", head.get("also_gone"))
    yield _numbers("Kept: rows whose reference was cleared", "References", head.get("kept"))
    yield _numbers("Left behind: rows that stay", "Rows", head.get("left_behind"))
    yield from _came_back(head)
    yield from _told(head)
    yield from _left_out(head)
    yield from _runs(runs)
    yield "</main></body></html>\n"


def _beginning(head: Mapping[str, Any]) -> str:
    title = words.title(head)
    copy = words.copy_of(head)
    looked = words.looked_again(head)
    facts = "".join(
        f'<tr><th scope="row">{name}</th><td>{value}</td></tr>\n'
        for name, value in words.facts(head)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_OWN_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex"><meta name="referrer" content="no-referrer">\n'
        f"<title>{plain(title)} {plain(head.get('operation_id') or '')}</title>\n"
        f"<style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{plain(title)}</h1>\n<p>{words.outcome(head)}</p>\n"
        + (f"<p>{looked}</p>\n" if looked else "")
        + (f'<p class="copy">{plain(copy)}</p>\n' if copy else "")
        + f'<table class="facts"><tbody>\n{facts}</tbody></table>\n'
    )


def _numbers(heading: str, of_what: str, numbers: Mapping[str, int | None] | None) -> str:
    """A table of numbers by the host's table; nothing where there is none."""
    if not numbers:
        return ""
    lines = "".join(
        f"<tr><td><bdi>{plain(table)}</bdi></td>"
        f'<td class="number">{"not counted" if number is None else f"{number:,}"}</td></tr>\n'
        for table, number in numbers.items()
    )
    return (
        f'<h2>{heading}</h2>\n<table><thead><tr><th scope="col">Table</th>'
        f'<th scope="col" class="number">{of_what}</th></tr></thead><tbody>\n{lines}'
        "</tbody></table>\n"
    )


def _came_back(head: Mapping[str, Any]) -> Iterator[str]:
    runs = head.get("came_back_runs")
    if runs:
        yield "<h2>Runs with rows that came back</h2>\n<ul>\n"
        yield from (f"<li><code><bdi>{plain(one)}</bdi></code></li>\n" for one in runs)
        yield "</ul>\n"


def _told(head: Mapping[str, Any]) -> Iterator[str]:
    told = head.get("told")
    if told:
        yield "<h2>What is not as it was</h2>\n<ul>\n"
        yield from (f"<li><bdi>{plain(sentence)}</bdi></li>\n" for sentence in told)
        yield "</ul>\n"


def _left_out(head: Mapping[str, Any]) -> Iterator[str]:
    left_out = head.get("left_out")
    if not left_out:
        return
    total = head.get("left_out_total") or len(left_out)
    first = f", of which {len(left_out):,} stand here" if total > len(left_out) else ""
    yield f"<h2>Left out: {count(total, 'run')}{first}</h2>\n<table><thead><tr>"
    yield '<th scope="col">Run</th><th scope="col">Id</th><th scope="col">Why</th></tr></thead>'
    yield "<tbody>\n"
    for one in left_out:
        yield (f"<tr>{_name(one)}<td><bdi>{plain(one.get('reason') or '')}</bdi></td></tr>\n")
    yield "</tbody></table>\n"


def _runs(runs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    beginning = (
        '<h2>Every run</h2>\n<table><thead><tr><th scope="col">Run</th><th scope="col">Id</th>'
        '<th scope="col">Started</th><th scope="col">What became of it</th>'
        '<th scope="col" class="number">Rows</th></tr></thead><tbody>\n'
    )
    has_begun = False
    for run in runs:
        if not has_begun:
            has_begun = True
            yield beginning
        rows = sum(number or 0 for number in (run.get("rows") or {}).values())
        yield (
            f'<tr>{_name(run)}<td class="time">{plain(words.moment(run.get("started")))}</td>'
            f'<td>{_outcome(run)}</td><td class="number">{rows:,}</td></tr>\n'
        )
    if has_begun:
        yield "</tbody></table>\n"


def _name(run: Mapping[str, Any]) -> str:
    thread_id = run.get("thread_id") or ""
    return (
        f"<td><bdi>{plain(run.get('title') or thread_id)}</bdi></td>"
        f"<td><code><bdi>{plain(thread_id)}</bdi></code></td>"
    )


def _outcome(run: Mapping[str, Any]) -> str:
    became = plain(run.get("outcome") or "unknown")
    error = run.get("error")
    if not error:
        return became
    return f'<span class="failed">{became}</span>: <bdi>{plain(error)}</bdi>'
