"""RunFilter: which runs are meant, as a value that knows its query string and its sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runmanager.text import shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SEARCH = 10_000
_WITHOUT = {"user", "workspace"}


@dataclass(frozen=True)
class RunFilter:
    """The runs that match every condition set here; the empty filter means all runs.

    ``workspace`` is a workspace's id. ``without_user`` and ``without_workspace`` mean the runs that
    name none, or one whose row is gone. The SQL is in ``queries/conditions.py``.
    """

    search: str = ""
    username: str | None = None
    workspace: str | None = None
    without_user: bool = False
    without_workspace: bool = False

    def __bool__(self) -> bool:
        return self != RunFilter()

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> RunFilter:
        """The filter that a URL's query parameters describe; unknown parameters are not its own."""
        without = set(query.get("without", "").split(",")) & _WITHOUT
        return cls(
            search=query.get("search", "").strip()[:MAX_SEARCH],
            username=query.get("username") or None,
            workspace=query.get("workspace") or None,
            without_user="user" in without and not query.get("username"),
            without_workspace="workspace" in without and not query.get("workspace"),
        )

    def to_query(self) -> dict[str, str]:
        """The query parameters that ``from_query`` reads back into this filter."""
        without = [
            name
            for name, is_set in (("user", self.without_user), ("workspace", self.without_workspace))
            if is_set
        ]
        query = {
            "search": self.search,
            "username": self.username or "",
            "workspace": self.workspace or "",
            "without": ",".join(without),
        }
        return {name: value for name, value in query.items() if value}

    def describe(self, workspace_name: str | None = None) -> str:
        """The filter in words, such as ``user "kate" and workspace "Ops"``; "" for no filter."""
        parts = []
        if self.search:
            parts.append(f"search “{shorten(self.search, 60)}”")
        if self.username is not None:
            parts.append(f"user “{shorten(self.username, 60)}”")
        if self.without_user:
            parts.append("no known user")
        if self.workspace is not None:
            parts.append(f"workspace “{shorten(workspace_name or self.workspace, 60)}”")
        if self.without_workspace:
            parts.append("no known workspace")
        return " and ".join(parts)
