"""What a plan says of the copy for Undo, and the choice of keeping none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.parts import session, text

if TYPE_CHECKING:
    from runmanager.records import ArchiveForecast, DeletionPlan

NO_COPY = "keep_no_copy"
FOR_GOOD = "Nothing is kept: this cannot be undone."


def reset() -> None:
    """Let the next deletion keep a copy, unless that is chosen anew."""
    session.seed(NO_COPY, False)


def choice(plan: DeletionPlan) -> bool | None:
    """What the service is told: False to keep no copy, None to do as is set up."""
    return False if plan.archive is not None and session.value(NO_COPY) is True else None


def is_settled(plan: DeletionPlan) -> bool:
    """Whether it can begin: a copy can be kept, or it was chosen to keep none."""
    obstacle = None if plan.archive is None else plan.archive.obstacle
    return obstacle is None or choice(plan) is False


def draw(plan: DeletionPlan) -> None:
    """Draw where the copy goes, how big it likely is, and what Undo would lack."""
    if not plan.total:
        return
    with st.container(key="copy-kept", gap="xsmall"):
        archive = plan.archive
        is_none = archive is None or choice(plan) is False
        if is_none:
            st.markdown(f":red-badge[for good] **{FOR_GOOD}**")
        elif archive is not None and archive.obstacle is not None:
            st.markdown(":red-badge[no copy] **A copy cannot be kept.**")
            # It names a folder or a bucket: text, never Markdown.
            st.text(archive.obstacle)
        elif archive is not None:
            st.text(_said(archive))
        if archive is not None:
            st.checkbox("Keep no copy: it cannot be undone", key=NO_COPY)
        if not is_none and plan.undo_lacks:
            st.text("To undo it, this would be needed first:")
            for sentence in plan.undo_lacks:
                st.text(sentence)


def _said(archive: ArchiveForecast) -> str:
    """Such as "A copy is kept for 30 days: about 12 MB, 40 GB free"."""
    free = f", {text.size(archive.free_bytes)} free" if archive.free_bytes is not None else ""
    return (
        f"A copy is kept for {_days(archive.days)}, from which it can be undone: about "
        f"{text.size(archive.likely_bytes)}{free}."
    )


def _days(days: float) -> str:
    if days >= 1:
        whole = round(days, 1)
        return text.count(int(whole), "day") if whole == int(whole) else f"{whole} days"
    return text.duration(days * 86_400)
