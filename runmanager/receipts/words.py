"""A receipt's fields in words, as somebody reads them who was not there."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from runmanager.text import count

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOORS = {"page": "on the dashboard", "api": "through the API"}
_DONE = {"deletion": "deleted", "restore": "restored", "purge": "purged"}
_TITLES = {"deletion": "a deletion", "restore": "a restore", "purge": "a purge"}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
# What is not seen, or turns the text around it: in a proof two names must not look alike.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def plain(text: object) -> str:
    """Text of the host's or an admin's as HTML: only text, with each unseen character named."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", escape(str(text)))


def moment(text: object) -> str:
    """A time as a reader takes it in, in UTC; what is none stays as it stands."""
    if not text:
        return "unknown"
    try:
        time = datetime.fromisoformat(str(text))
        shown = time.astimezone(UTC) if time.tzinfo else time
    except (ValueError, OverflowError):
        return str(text)
    return f"{shown:%Y-%m-%d %H:%M:%S}" + (" UTC" if time.tzinfo else "")


def day(text: object) -> str:
    """The day of a time, such as ``26 December 2026``."""
    try:
        time = datetime.fromisoformat(str(text)).astimezone(UTC)
    except (ValueError, OverflowError):
        return str(text)
    return f"{time.day} {time:%B %Y}"


def size(number: float) -> str:
    """Such as ``52.1 KiB``."""
    unit = 0
    while number >= 1024 and unit < len(_UNITS) - 1:  # noqa: PLR2004  a KiB
        number, unit = number / 1024, unit + 1
    return f"{number:,.0f} {_UNITS[unit]}" if unit == 0 else f"{number:,.1f} {_UNITS[unit]}"


def title(head: Mapping[str, Any]) -> str:
    """What the document is, such as ``Receipt of a deletion``."""
    kind = str(head.get("kind") or "")
    return f"Receipt of {_TITLES.get(kind, kind or 'an operation')}"


def done_word(head: Mapping[str, Any]) -> str:
    """What became of the runs that it was done to: ``deleted``."""
    return _DONE.get(str(head.get("kind")), "done")


def facts(head: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was done, by whom, when and why: names and values, the values as HTML."""
    who = plain(head.get("actor") or "unknown")
    door = _DOORS.get(str(head.get("how")), plain(head.get("how") or ""))
    found = [
        ("Operation", f"<code>{plain(head.get('operation_id') or 'unknown')}</code>"),
        ("Of operation", f"<code>{plain(head['parent'])}</code>" if head.get("parent") else ""),
        (
            "By",
            f"<bdi>{who}</bdi> (id <bdi>{plain(head.get('actor_id') or 'unknown')}</bdi>), {door}",
        ),
        ("Begun", plain(moment(head.get("started_at")))),
        ("Ended", plain(moment(head.get("ended_at")))),
        ("Took", f"{head.get('seconds') or 0:,.1f} seconds{_interrupted(head)}"),
        ("Reason", f"<bdi>{plain(head.get('reason') or 'none was given')}</bdi>"),
        ("Which runs", f"<bdi>{plain(head.get('filter') or 'chosen one by one')}</bdi>"),
        (
            "Cut-off",
            f"started at {plain(moment(head['until']))} or earlier" if head.get("until") else "",
        ),
    ]
    return [(name, value) for name, value in found if value]


def _interrupted(head: Mapping[str, Any]) -> str:
    times = head.get("interruptions") or 0
    return f", {count(times, 'interruption')}: gone on with each time" if times else ""


def outcome(head: Mapping[str, Any]) -> str:
    """How many runs it was done to, and how many not: one sentence as text."""
    word = done_word(head)
    parts = [f"{count(head.get(word) or 0, 'run')} {word}"]
    if head.get("failed"):
        parts.append(f"{head['failed']:,} failed")
    left_out = head.get("left_out_total") or len(head.get("left_out") or ())
    if left_out:
        parts.append(f"{left_out:,} left out")
    rows = sum(number or 0 for number in (head.get("rows") or {}).values())
    stored = f", {size(head['stored_bytes'])} as stored" if head.get("stored_bytes") else ""
    ended = " It was stopped before all was done." if head.get("stopped") else ""
    return f"{', '.join(parts)}: {count(rows, 'row')}{stored}.{ended}"


def copy_of(head: Mapping[str, Any]) -> str:
    """Whether a copy is left, as text; "" where the operation made none in any case."""
    archive = head.get("archive")
    if archive is None:
        return "No copy was kept." if head.get("kind") == "deletion" else ""
    if archive.get("purged_at"):
        return f"The copy was purged on {day(archive['purged_at'])}."
    amount = f", {size(archive['bytes'])}" if archive.get("bytes") else ""
    if not archive.get("until"):
        return f"A copy is kept{amount}."
    return f"A copy is kept until {day(archive['until'])}{amount}."


def looked_again(head: Mapping[str, Any]) -> str:
    """What was found of the deleted runs afterwards, as HTML; "" where that was no question."""
    if "came_back" not in head:
        return ""
    found = head["came_back"]
    if found is None:
        return (
            "Whether rows came back, from a worker that was still writing, could not be looked at."
        )
    if not found:
        return "Looked for again after the last transaction: nothing of these runs was left."
    rows = count(sum(number or 0 for number in found.values()), "row")
    tables = ", ".join(
        f"{number:,} in <bdi>{plain(table)}</bdi>" for table, number in found.items()
    )
    runs = head.get("came_back_runs") or ()
    of_runs = count(len(runs), "run") + ", " if runs else ""
    return f"Came back: {of_runs}{rows}, written by a worker afterwards ({tables})."
