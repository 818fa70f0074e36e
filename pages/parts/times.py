"""The viewer's time zone."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import streamlit as st


def viewer_zone() -> ZoneInfo:
    """The viewer's time zone as their browser says, UTC where it does not."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
