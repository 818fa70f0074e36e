"""What the guard has to know of the dashboard's socket; the process that has Streamlit says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Said:
    """One message of a browser's: whether anything may come of it, and of whose doing it is."""

    is_allowed: bool
    is_run: bool
    is_timer: bool


class Wire(Protocol):
    """Reads what browsers say on the socket, and writes what they understand."""

    def read(self, message: bytes) -> Said | None:
        """What a message says; None for one that is none."""

    def of_whole_page(self, message: bytes) -> bytes:
        """What a message that asks for a run says, asking for one of the whole page."""

    def load_anew(self) -> bytes:
        """The message that lets the browser's tab load the address anew that it shows."""
