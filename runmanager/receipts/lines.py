"""The receipt as JSON: an object with one field a line, and of its runs one a line.

So a receipt of a million runs is written, read and changed without ever being in memory.

Its fields, of which a reader must bear that any is missing:

``operation_id``, ``kind`` ("deletion", "restore", "purge"), ``actor`` (the name), ``actor_id``,
``how`` (the door: "page" or "api"), ``reason`` (text or null), ``filter`` (which runs, in words; ""
or null where they were chosen one by one), ``until`` (the latest start that was meant, or null),
``started_at``, ``ended_at``, ``seconds``, ``stopped`` (whether somebody ended it early),
``interruptions`` (how often a crash, a shutdown or a fault broke it off), ``deleted`` or
``restored`` or ``purged`` (how many runs), ``failed`` (how many), ``rows`` ({table: rows}); of a
deletion ``include_running`` (whether runs that still ran were to go too), ``asked`` (how many runs
were asked for), ``orphans`` (how many had no row of their own any more, and traces only),
``stored_bytes`` (what ``rows`` took as stored; null unless exactly the rows went that the plan had
counted), ``kept`` ({table: references cleared, null where they cannot be counted}),
``also_gone`` ({table: rows}), ``left_behind`` ({table: rows, null where they cannot be counted}),
``left_out`` ([{thread_id, title, reason}]), ``left_out_total``, ``came_back`` ({table: rows}; null
where nobody could look), ``came_back_runs`` ([thread_id]), ``archive`` ({place, bytes, until,
purged_at}; null where no copy was kept); of a restore ``told`` ([sentence]); of a restore and a
purge ``parent`` (the operation it is about); and at the end ``runs`` ([{thread_id, title, started,
outcome: "deleted" | "restored" | "failed"}]; of one that failed with ``error``, of any other with
``rows`` ({table: rows}) and ``was_orphan``, which says that of it alone). Times are ISO 8601 with
their zone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runmanager.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runmanager.folders import Source

PIECE = 65_536
_RUNS = b'"runs":['
_DAMAGED = "The receipt of this operation is damaged: look at receipt.json in its folder."


def json_of(head: Mapping[str, Any], runs: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The document of these fields and runs, in pieces of some size; all of it is ASCII."""
    piece = bytearray(b"{\n")
    for name, value in head.items():
        piece += _dumped(name) + b":" + _dumped(value) + b",\n"
    piece += _RUNS
    before = b"\n"
    for run in runs:
        piece += before + _dumped(run)
        before = b",\n"
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece + b"\n]}\n")


def read_receipt(source: Source) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """The fields and the runs that ``json_of`` wrote; the runs as they are read.

    Raises ArchiveError where the document is not whole.
    """
    lines = _lines(source)
    head = bytearray()
    for line in lines:
        if line == _RUNS:
            break
        head += line
    else:
        raise ArchiveError(_DAMAGED)
    return _loaded(bytes(head) + b'"":0}'), _runs(lines)


def _runs(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line == b"]}":
            return
        yield _loaded(line.removesuffix(b","))
    raise ArchiveError(_DAMAGED)


def _lines(source: Source) -> Iterator[bytes]:
    rest = b""
    while data := source.read(PIECE):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _dumped(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def _loaded(line: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(line)
    except ValueError:
        raise ArchiveError(_DAMAGED) from None
    found.pop("", None)
    return found
