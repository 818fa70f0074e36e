"""What the statements of a deletion share: names of their parts, and whose fault a refusal is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runmanager.host.values import Host, TraceTable


def is_taken(host: Host, trace: TraceTable) -> bool:
    """Whether the database has to take the rows along, as the role may not delete them itself."""
    return trace.name in host.privileges.undeletable and trace is not host.own


def part_name(host: Host, trace: TraceTable) -> str:
    """The name of the part of a statement that deletes from a table."""
    return f"gone_{[host.own, *host.traces].index(trace)}"


def blamed(host: Host, unit: Sequence[TraceTable]) -> str:
    """The table that is named where a statement about these is refused."""
    return host.own.name if host.own in unit else unit[0].name
