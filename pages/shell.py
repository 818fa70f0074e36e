"""The Streamlit script: sign-in gate, then navigation."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.parts import scripts, signin
from pages.parts.messages import shown_errors

# A local file: an icon by name would be fetched from a font host.
st.set_page_config(
    page_title="Run Manager",
    page_icon=str(Path(__file__).with_name("icon.svg")),
    layout="wide",
    initial_sidebar_state=272,
)
# Before the gate: a rerun that it asks for would otherwise forget which page the address names.
page = st.navigation(
    [
        st.Page("runs.py", title="Run Manager", icon=":material/database:", default=True),
        st.Page("run.py", title="Run", url_path="run", visibility="hidden"),
        st.Page(
            "operations.py",
            title="Operations",
            url_path="operations",
            icon=":material/receipt_long:",
        ),
    ],
    # Links of our own stand in its place: they need less room.
    position="hidden",
)
with shown_errors():
    actor = signin.require_sign_in()

with st.sidebar.container(key="navigation", horizontal=True, wrap=False, gap="xsmall"):
    st.page_link(
        "runs.py",
        label="Run Manager",
        icon=":material/database:",
        width="content",
    )
    st.page_link(
        "operations.py", label="Operations", icon=":material/receipt_long:", width="content"
    )
with st.container(key="once"):
    scripts.start()
page.run()
signin.draw_sign_out(actor)
