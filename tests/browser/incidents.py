"""Runs as an on-call admin meets them: what the drills and the tests of the incident page need."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.hosts import HostWriter

TIMEOUT = "TimeoutError: the carrier's service did not answer"
KEY_ERROR = "KeyError: 'customer_id'"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def add_many(
    host: HostWriter,
    prefix: str,
    number: int,
    *,
    first: datetime,
    apart: timedelta,
    users: tuple[str, ...] = ("kate",),
    workspace: str | None = None,
    status: str = "completed",
    error: str | None = None,
    took: timedelta = timedelta(seconds=31),
) -> list[str]:
    """Add ``number`` runs of ``users`` in turn, each ``apart`` later than the last; their ids."""
    host.execute(
        "INSERT INTO run_metadata (thread_id, run_name, status, created_at, completed_at, user_id,"
        " workspace_id, error_message)"
        " SELECT %s || lpad(n::text, 5, '0'), 'Order ' || n, %s, %s + n * %s,"
        " %s + n * %s + %s, (%s::text[])[1 + n %% %s], %s, %s FROM generate_series(0, %s - 1) n",
        *(f"{prefix}-", status, first, apart, first, apart, took),
        *([host.user(one) for one in users], len(users)),
        *(workspace and host.workspace(workspace), error, number),
    )
    return numbered(prefix, range(number))


def numbered(prefix: str, numbers: range, digits: int = 5) -> list[str]:
    """The ids that ``add_many`` gives."""
    return [f"{prefix}-{number:0{digits}}" for number in numbers]


def in_the_alarm(host: HostWriter) -> list[str]:
    """53 runs of Operations that have failed with a timeout within the last hours, among others.

    Returned are their ids, the one that started first being the first.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    people = ("kate", "linus", "barbara")
    minute = timedelta(minutes=1)
    add_many(host, "old", 20, first=now - 9 * DAY, apart=HOUR, users=people,
             workspace="Operations", status="failed", error=TIMEOUT)  # fmt: skip
    add_many(host, "done", 90, first=now - 6 * HOUR, apart=3 * minute, users=people,
             workspace="Operations")  # fmt: skip
    add_many(host, "key", 15, first=now - 3 * HOUR, apart=7 * minute, users=people,
             workspace="Operations", status="failed", error=KEY_ERROR)  # fmt: skip
    add_many(host, "legal", 8, first=now - 3 * HOUR, apart=9 * minute, users=people,
             workspace="Legal", status="failed", error=TIMEOUT)  # fmt: skip
    return add_many(host, "alarm", 53, first=now - 3 * HOUR, apart=3 * minute, users=people,
                    workspace="Operations", status="failed", error=TIMEOUT)  # fmt: skip


def old_failures(host: HostWriter) -> list[str]:
    """71 failures of kate's from more than thirty days ago, among her other runs and failures."""
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    for prefix, user, status, first in (
        ("new", "kate", "failed", today - 20 * DAY),
        ("done", "kate", "completed", today - 100 * DAY),
        ("other", "linus", "failed", today - 100 * DAY),
    ):
        add_many(host, prefix, 12, first=first, apart=HOUR, users=(user,), status=status)
    return add_many(host, "old", 71, first=today - 100 * DAY, apart=HOUR, status="failed",
                    error=KEY_ERROR)  # fmt: skip
