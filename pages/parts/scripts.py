"""Small scripts for the viewer's browser: what Streamlit leaves undone there.

Their text is our own; what a script is told is passed as JSON, and never holds the host's words.
"""

from __future__ import annotations

import json

import streamlit as st

from pages.parts import session

# Streamlit starts with the sidebar open down to 768 px; below 900 the grid needs the room.
_FOLD_SIDEBAR = """
if (window.innerWidth < 900 && !window.runManagerFolded) {
  window.runManagerFolded = true;
  let tries = 0;
  const timer = setInterval(() => {
    const fold = document.querySelector('[data-testid="stSidebarCollapseButton"] button');
    if (fold) fold.click();
    if (fold || ++tries > 40) clearInterval(timer);
  }, 50);
}
"""

# A table keeps Escape to itself. Its listeners are inside the page's: this one hears it first.
_CLOSE_DIALOG_BY_ESCAPE = """
if (!window.runManagerHearsEscape) {
  window.runManagerHearsEscape = true;
  document.addEventListener("keydown", (event) => {
    const table = event.key === "Escape" && event.target.closest('[data-testid="stDataFrame"]');
    const close = table && table.closest('[role="dialog"]')?.querySelector('[aria-label="Close"]');
    if (close) { event.stopPropagation(); close.click(); }
  }, true);
}
"""

# A tab whose socket is gone asks whether its sign-in is too, and shows the sign-in page; else it
# would say for ever that it connects. Who is signed in is sent on from there, which fetch tells.
_LEAVE_WHEN_SIGNED_OUT = """
if (!window.runManagerAsksWhoIsIn) {
  window.runManagerAsksWhoIsIn = true;
  setInterval(async () => {
    const app = document.querySelector('[data-testid="stApp"]');
    if (!app || app.dataset.testConnectionState === "CONNECTED") return;
    try {
      const answer = await fetch(%s, { redirect: "manual", cache: "no-store" });
      if (answer.ok) window.location.reload();
    } catch { /* The server is away: Streamlit says so itself. */ }
  }, 2000);
}
"""

# Said once, in a region that was there before it was filled: such a change is read aloud. The
# focus is watched for three seconds, while the list may still be drawn anew, and given to the list
# (or to what stands in its place) only where it has been lost.
_ANNOUNCE = """
const { id, words } = %s;
if (window.runManagerSaid !== id) {
  window.runManagerSaid = id;
  let region = document.getElementById("run-manager-status");
  if (!region) {
    region = document.createElement("div");
    region.id = "run-manager-status";
    region.setAttribute("role", "status");
    document.body.append(region);
  }
  setTimeout(() => { region.textContent = words; }, 100);
  const places = [
    '[class*="st-key-grid-"] [data-testid="data-grid-canvas"]', ".st-key-empty button",
    ".st-key-nothing-yet button", ".st-key-top a",
  ];
  let tries = 0;
  const timer = setInterval(() => {
    if (++tries >= 30) clearInterval(timer);
    const app = document.querySelector('[data-testid="stApp"]');
    if (app.dataset.testScriptState !== "notRunning") return;
    const active = document.activeElement;
    if (active && active !== document.body && !active.matches(":disabled")) return;
    const found = places.map((place) => [...document.querySelectorAll(place)].pop());
    found.find((place) => place)?.focus({ preventScroll: true });
  }, 100);
}
"""


def start() -> None:
    """Run what each page of the browser needs once; scripts that have run do nothing again.

    They are drawn in every script run: one that is interrupted by the next may send nothing.
    """
    leave = _LEAVE_WHEN_SIGNED_OUT % json.dumps(session.address("/sign-in"))
    _run(_FOLD_SIDEBAR + _CLOSE_DIALOG_BY_ESCAPE + leave)


def announce(words: str, announcement_id: str) -> None:
    """Let a screen reader say ``words``, once for each id, and give a lost focus to the list."""
    # No "</script>" can come of it.
    told = json.dumps({"id": announcement_id, "words": words}).replace("<", "\\u003c")
    _run(_ANNOUNCE % told)


def _run(script: str) -> None:
    # Braces around it: two scripts must not meet in each other's names.
    st.html(f"<script>{{{script}}}</script>", unsafe_allow_javascript=True)
