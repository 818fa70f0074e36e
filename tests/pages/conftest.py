"""The pages without a browser: the script runs in this process, on the test's database."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

import pytest
import streamlit as st
from streamlit.runtime.fragment import MemoryFragmentStorage
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest, local_script_runner

from pages.parts import filtering, later, run_total, selection, session
from pages.parts.operation_words import is_at_work
from runmanager.entrance.identity import Identity
from runmanager.paging import PageRequest
from tests.hosts import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from runmanager.records import Actor, OperationView
    from runmanager.service import RunManager

T = TypeVar("T")

PAGES = Path(__file__).parents[2] / "pages"


class _Parts(MemoryFragmentStorage):
    """The parts of a page, and which of them were run by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.run: set[str] = set()

    def lookup(self, key: str) -> Callable[[], Any]:
        """The part of that id, to be run."""
        self.run.add(key)
        return super().lookup(key)


class Visitor:
    """Somebody at the dashboard, signed in or not; what they see and what they do."""

    def __init__(self, service: RunManager, script: str = "shell.py") -> None:
        self._service = service
        self.app = AppTest.from_file(PAGES / script, default_timeout=30)
        self.app._fragment_storage = self._parts = _Parts()
        self.identity: Identity | None = None
        self._page = "runs.py"
        self._edits: dict[str, dict[str, Any]] = {}
        self._states: dict[str, dict[str, Any]] = {}

    def signed_in_as(self, name: str, password: str = PASSWORD) -> Visitor:
        """Sign in by the door's own call; its identity is what the guard tells Streamlit."""
        signed_in = self._service.signing_in.sign_in(name, password)
        self.identity = Identity(signed_in.actor, signed_in.ticket)
        self.app.user = self.identity.fields()
        return self

    def at(self, page: str = "runs.py", /, **query: str | list[str]) -> Visitor:
        """Visit a page with these query parameters."""
        if page != self._page:
            # Only a run registers the pages.
            self.app.run()
            self.app.switch_page(page)
            self._page = page
        self.app.query_params = dict(query)
        return self.look()

    def at_run(self, thread_id: str) -> Visitor:
        """Visit the page of one run."""
        return self.at("run.py", id=thread_id)

    def look(self) -> Visitor:
        """Run the page once more; a traceback of its own fails the test."""
        states = self.app._tree.get_widget_states()
        # AppTest does not send what was ticked in a grid, as a browser does with every run.
        for grid in self.app.data_editor:
            if edits := self._edits.get(grid.proto.id):
                states.widgets.add(id=grid.proto.id, string_value=json.dumps(edits))
        # Nor what was done to elements that it does not know.
        for element_id, state in self._states.items():
            states.widgets.add(id=element_id, **state)
        self._states.clear()
        self._parts.run.clear()
        self.app._run(states)
        assert not self.app.exception, self.app.exception[0].message
        return self

    @contextmanager
    def only(self, fragment: str) -> Iterator[None]:
        """Let what is done inside the block run this fragment only, as the browser asks for it.

        AppTest itself runs the whole script, whatever was touched.
        """
        with self._asking_for(self.app._fragment_storage.resolve_target(fragment)):
            yield

    @contextmanager
    def only_last(self) -> Iterator[None]:
        """The same for the part that was drawn last, such as a dialog, which has no name."""
        with self._asking_for(list(self._parts._fragments)[-1:]):
            yield

    @contextmanager
    def _asking_for(self, fragment_ids: list[str]) -> Iterator[None]:
        asked = partial(RerunData, fragment_id_queue=fragment_ids)
        with patch.object(local_script_runner, "RerunData", asked):
            yield

    def press(self, key: str) -> Visitor:
        """Click the button of that key."""
        self.app.button(key=key).click()
        return self.look()

    def widget(self, kind: str, name: str) -> Any:
        """The one widget of a kind, such as "multiselect", whose key begins with ``name``."""
        (found,) = [one for one in self.app.get(kind) if str(one.key).startswith(name)]
        return found

    def has_button(self, key: str) -> bool:
        """Whether there is a button of that key."""
        return any(button.key == key for button in self.app.button)

    def tick(self, *thread_ids: str, to: bool = True) -> Visitor:
        """Tick (or not) the boxes of these runs in the grid."""
        rows = self.rows
        edits = self._edits.setdefault(
            self.app.data_editor[0].proto.id,
            {"edited_rows": {}, "added_rows": [], "deleted_rows": []},
        )
        for thread_id in thread_ids:
            edits["edited_rows"][str(rows.index(thread_id))] = {"select": to}
        return self.look()

    def type_new(self, key: str, text: str) -> Visitor:
        """Type into the select box of that key what it does not list."""
        self._states[self.app.selectbox(key=key).proto.id] = {"string_value": text}
        return self.look()

    def open_tab(self, label: str) -> Visitor:
        """Open the tab whose label begins with this; it stays open until another is."""
        (container,) = self.app.get("tab_container")
        labels = [str(tab.label) for tab in container.children.values()]  # type: ignore[union-attr]  # tabs
        (chosen,) = (one for one in labels if one.startswith(label))
        self._states[container.proto.tab_container.id] = {"string_value": chosen}
        return self.look()

    def choose_on_chart(self, **selected: Any) -> Visitor:
        """Select a stretch (``brush``) or bars (``bar``) of the chart, as the browser tells it."""
        chosen = json.dumps({"selection": {"brush": {}, "bar": []} | selected})
        assert self.chart is not None
        self._states[self.chart.id] = {"string_value": chosen}
        return self.look()

    def finish_deletion(self, seconds: float = 20) -> Visitor:
        """Let what was started end, then look."""
        deadline = time.monotonic() + seconds
        while any(map(is_at_work, self._service.operations.running(self.actor))):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self.look()

    @property
    def actor(self) -> Actor:
        """Who is signed in."""
        assert self.identity is not None
        return self.identity.actor

    @property
    def operations(self) -> tuple[OperationView, ...]:
        """Every operation there is, the newest first, as the service says."""
        return self._service.operations.list(self.actor, PageRequest(1, 200)).items

    def held(self, kind: type[T]) -> T:
        """What one part keeps in this visitor's session; empty where it has kept nothing yet."""
        slots: dict[type, Any] = self.app.session_state["run_manager"]
        found: T = slots.get(kind) or kind()
        return found

    @property
    def selection(self) -> set[str]:
        """The ids that are selected, on whichever page."""
        return set(self.held(selection._Selection).ids)

    @property
    def drawn(self) -> set[str]:
        """The parts of the page, by their keys in filtering.py, that were drawn at the last look.

        Empty where it was the whole page. After a click that asks for some parts only those are
        there.
        """
        ids = {name: self._parts.resolve_target(name) for name in filtering.ALL_OF_IT}
        return {name for name, of_part in ids.items() if self._parts.run & set(of_part)}

    @property
    def is_counting(self) -> bool:
        """Whether all runs of the list are being counted."""
        return self.held(run_total._Count).count_id is not None

    @property
    def rows(self) -> list[str]:
        """The ids in the grid of runs, from the top; [] where there is no grid."""
        return [str(one) for one in self.grid["id"]] if self.tables("select", "id") else []

    @property
    def grid(self) -> pd.DataFrame:
        """The grid of runs."""
        return self.tables("select")[0]

    @property
    def chips(self) -> dict[str, str]:
        """The chips above the grid: what each sends as its label, by its key."""
        keys = {str(one.key): one.label for one in self.app.button}
        return {key[5:]: label for key, label in keys.items() if key.startswith("chip-")}

    @property
    def chart(self) -> Any:
        """The chart of runs over time, as it is sent; None where there is none."""
        return next((one.proto for one in self.app.get("vega_lite_chart")), None)

    def tables(self, *columns: str) -> list[pd.DataFrame]:
        """The tables on the page that have all of these columns."""
        return [one.value for one in self.app.dataframe if set(columns) <= set(one.value.columns)]

    @property
    def texts(self) -> list[str]:
        """Every text that is shown as it is."""
        return [one.value for one in self.app.text]

    @property
    def status(self) -> str:
        """The HTML that shows the status of the run on its page."""
        drawn = [str(one.proto.body) for one in self.app.get("html")]
        return next(one for one in drawn if "run-status" in one)

    @property
    def notices(self) -> list[str]:
        """What stands above the list about the address."""
        return [one.value for one in self.app.info]

    @property
    def rendered(self) -> list[str]:
        """Everything that the browser renders as Markdown or HTML, or could."""
        plain = {"text", "code", "dataframe", "json"}
        return [str(getattr(node, "proto", "")) for node in self.app if node.type not in plain]

    @property
    def everything(self) -> str:
        """All that was sent to the browser, the insides of tables included."""
        tables = [one.value.to_csv() for one in self.app.dataframe]
        return "\n".join([*(str(getattr(node, "proto", "")) for node in self.app), *tables])

    @property
    def is_turned_away(self) -> bool:
        """Whether nothing is there but a sentence that says to sign in."""
        app = self.app
        drawn = [*app.dataframe, *app.selectbox, *app.text_input, *app.button, *app.text]
        says = [one.value for one in app.error]
        return says == ["Sign in to use Run Manager."] and not drawn and not app.sidebar.children


@pytest.fixture(autouse=True)
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give no browser time to paint the list: there is none."""
    monkeypatch.setattr(later, "_PAINTING_SECONDS", 0.0)


@pytest.fixture
def provided(manager: RunManager) -> RunManager:
    """The service that the pages are given."""
    session.provide(manager)
    return manager


@pytest.fixture
def visitor(provided: RunManager) -> Callable[..., Visitor]:
    """Makes visitors who are not signed in."""

    def make(script: str = "shell.py") -> Visitor:
        return Visitor(provided, script)

    return make


@pytest.fixture
def anonymous(provided: RunManager) -> Visitor:
    """Somebody who is not signed in."""
    return Visitor(provided)


@pytest.fixture
def ada(provided: RunManager) -> Visitor:
    """The host's admin, signed in."""
    return Visitor(provided).signed_in_as("ada")


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every visitor's browser be in Berlin."""
    monkeypatch.setattr(type(st.context), "timezone", property(lambda _self: "Europe/Berlin"))
