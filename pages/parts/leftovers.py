"""What a part of the page leaves behind when it becomes shorter.

What is drawn after the list asks again and again, and Streamlit takes away what was not drawn again
only where the fragments of a click end together: a chip or a button that is gone would stay, and
could be pressed. So a part that may have become shorter draws nothing in the places that it had.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from pages.parts import session


@dataclass
class _Most:
    """How many elements each part of the page has had at the most, by its name."""

    drawn: dict[str, int] = field(default_factory=dict)


def cover(part: str, drawn: int) -> None:
    """Draw nothing where ``part`` had more elements than the ``drawn`` ones; at its end."""
    most = session.slot(_Most).drawn
    for _place in range(drawn, most.get(part, 0)):
        st.empty()
    most[part] = max(drawn, most.get(part, 0))
