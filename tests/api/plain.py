"""The runs of a query as plain SQL finds them: written beside the product, not with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.hosts import HostWriter

# What the tests' hosts write, and what each of it means.
KIND_OF: Mapping[str | None, str] = {
    "completed": "completed",
    "Success": "completed",
    "Running": "running",
    " in progress ": "running",
    "IN_PROGRESS": "running",
    "FAILED": "failed",
    "failed": "failed",
    "Time-out": "failed",
    "paused": "paused",
    "cancelled": "other",
    "frobnicating": "other",
    "неудача": "other",
    "": "other",
    None: "other",
}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_WITHOUT = {
    "user": "NOT EXISTS (SELECT FROM users u WHERE u.id = r.user_id)",
    "workspace": "NOT EXISTS (SELECT FROM workspaces w WHERE w.id = r.workspace_id)",
    "model": "r.llm_model IS NULL",
}
_EQUAL = {
    "username": "r.user_id IN (SELECT id FROM users WHERE username = %s)",
    "workspace": "r.workspace_id = %s",
    "model": "r.llm_model = %s",
    "error": "strpos(lower(r.error_message), lower(%s)) > 0",
}
# Of infinity nothing can be subtracted: it is the first or the last time that Python has.
_FINITE = (
    "CASE r.{0} WHEN 'infinity' THEN timestamptz '9999-12-31 23:59:59.999999Z'"
    " WHEN '-infinity' THEN timestamptz '0001-01-01 00:00Z' ELSE r.{0} END"
)
_TOOK = (
    "(CASE WHEN r.completed_at IS NULL AND r.status = ANY(%s) THEN now()"
    f" ELSE {_FINITE.format('completed_at')} END - {_FINITE.format('created_at')})"
)


def of_kind(kind: str) -> list[str]:
    """The words that mean it."""
    return [word for word, known in KIND_OF.items() if known == kind and word is not None]


def seconds(text: str) -> float:
    """A duration, as a query has it."""
    return float(text[:-1]) * _SECONDS[text[-1]] if text[-1] in _SECONDS else float(text)


def moment(text: str) -> datetime:
    """A time, as a query has it."""
    if text.startswith("-"):
        return datetime.now(UTC) - timedelta(seconds=seconds(text[1:]))
    return datetime.fromisoformat(text)


@dataclass
class Plain:
    """One host, asked in plain SQL."""

    host: HostWriter

    def ids(self, query: Mapping[str, Any], order: str = "DESC NULLS LAST") -> list[str]:
        """The runs of a query: the newest first, or the oldest by ``ASC NULLS FIRST``."""
        where, values = _where(query)
        way = order.split()[0]
        rows = self.host.execute(
            f"SELECT thread_id FROM run_metadata r WHERE {where}"  # noqa: S608
            f" ORDER BY created_at {order}, thread_id {way}",
            *values,
        )
        return [run for (run,) in rows]

    def statuses(self, query: Mapping[str, Any]) -> dict[str | None, int]:
        """How many runs have each status, whichever of them the query asks for."""
        others = {key: value for key, value in query.items() if key not in {"kind", "status"}}
        where, values = _where(others)
        rows = self.host.execute(
            f"SELECT status, count(*) FROM run_metadata r WHERE {where} GROUP BY status",  # noqa: S608
            *values,
        )
        return dict(rows)

    def between(self, query: Mapping[str, Any], start: str, end: str) -> dict[str, int]:
        """How many runs of each kind started in this span of time."""
        where, values = _where(query)
        rows = self.host.execute(
            f"SELECT status FROM run_metadata r WHERE {where}"  # noqa: S608
            " AND created_at >= %s AND created_at < %s",
            *values,
            datetime.fromisoformat(start),
            datetime.fromisoformat(end),
        )
        kinds = [KIND_OF[status] for (status,) in rows]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(KIND_OF.values())}

    def dated(self, query: Mapping[str, Any]) -> int:
        """How many of a query's runs have a time at which they started."""
        where, values = _where(query)
        ((number,),) = self.host.execute(
            f"SELECT count(*) FROM run_metadata r WHERE {where} AND isfinite(created_at)",  # noqa: S608
            *values,
        )
        return int(number)


def _where(query: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The condition of a query, and its values; every value holds at least a character."""
    parts: list[tuple[str, list[Any]]] = [("true", [])]
    for key, value in query.items():
        if key == "search":
            has = "strpos(lower(r.{}), lower(%s)) > 0"
            found = f"({has.format('thread_id')} OR {has.format('run_name')})"
            parts.append((found, [value, value]))
        elif key in _EQUAL:
            parts.append((_EQUAL[key], [value]))
        elif key == "without":
            parts += [(_WITHOUT[word], []) for word in value.split(",")]
        elif key == "status":
            parts.append(("r.status = ANY(%s)", [value]))
        elif key == "kind":
            words = [word for kind in value for word in of_kind(kind)]
            nothing = " OR r.status IS NULL" if "other" in value else ""
            parts.append((f"(r.status = ANY(%s){nothing})", [words]))
        elif key in {"since", "until"}:
            parts.append((f"r.created_at {'>=' if key == 'since' else '<'} %s", [moment(value)]))
        elif key == "longer_than":
            took = timedelta(seconds=seconds(value))
            parts.append((f"{_TOOK} > %s", [of_kind("running"), took]))
    return " AND ".join(part for part, _ in parts), [one for _, more in parts for one in more]
