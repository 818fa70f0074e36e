"""What a signed-in session may send and no browser would, and how the process must take it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.polling import wait_until
from tests.sockets import Socket, cookie_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.hosts import HostWriter
    from tests.processes import AppProcess

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (INFO|WARNING|ERROR|CRITICAL) [\w.]+: \S.*"
)
# What Streamlit greets with, on stdout.
GREETING = re.compile(r"\s*|  You can now view your Streamlit app in your browser\.|  URL: \S+")
FORGED = "\r\n2026-01-01 00:00:00.000 INFO runmanager.audit: forged \x1b[31m\u202e"
BAD_JSON = ("{broken", "[" * 50_000, "null", "[]", '"a"', FORGED)
EDITS = tuple(
    f'{{"edited_rows": {rows}, "added_rows": [{{}}], "deleted_rows": [0, -1, 99999]}}'
    for rows in (
        '{"99999": {"select": true}}', '{"-1": {"select": true}}', '{"x": {"select": true}}',
        '{"0": {"select": [1]}}', '{"0": {"thread_id": "x"}}', '{"0": null}', "5", '{"0": 5}',
    )
)  # fmt: skip
SELECTIONS = tuple(
    f'{{"selection": {one}}}'
    for one in ('{"rows": [99999]}', '{"rows": ["x"]}', '{"rows": 5}', "5", "{}", "null")
)
CLICKS = tuple(f'{{"row": {row}}}' for row in ("99999", "-1", '"x"', "null", "1e400", "[]"))
PAGES: dict[str, dict[str, Any]] = {
    "runs": {},
    "run": {"query_string": "id=run", "page_name": "run"},
}


def furnish(host: HostWriter) -> None:
    """Let the host have what the pages need to show all their widgets."""
    host.add_runs(60)
    host.add_run("run", error_message="x" * 30_000, initial_data='{"a": 1}')
    host.add_traces("run", logs=120, checkpoints=3)
    host.add_run("again", parent_thread_id="run")


def all_values() -> list[WidgetState]:
    """Values of every type, and such as a widget of that type never has."""
    texts, integers, reals, said, files, clicked, table = [WidgetState() for _ in range(7)]
    texts.string_array_value.data.extend(["no such option", FORGED])
    integers.int_array_value.data.extend([99_999, -1])
    reals.double_array_value.data.append(1e300)
    said.chat_input_value.data = FORGED
    files.file_uploader_state_value.uploaded_file_info.add().file_id = FORGED
    clicked.string_trigger_value.data = FORGED
    table.arrow_value.data = b"no table"
    return [
        WidgetState(),
        WidgetState(trigger_value=True),
        WidgetState(bool_value=True),
        WidgetState(int_value=2**62),
        WidgetState(int_value=-5),
        WidgetState(double_value=1e308),
        WidgetState(double_value=float("nan")),
        WidgetState(bytes_value=b"\xff\x00"),
        *(texts, integers, reals, said, files, clicked, table),
        *(WidgetState(string_value=one) for one in (FORGED, *BAD_JSON, *EDITS, *SELECTIONS)),
        *(WidgetState(json_value=one) for one in (FORGED, *BAD_JSON, *SELECTIONS)),
        *(WidgetState(json_trigger_value=one) for one in (*BAD_JSON, *CLICKS)),
    ]


SOME_VALUES = (
    WidgetState(bytes_value=b"\xff\x00"),
    WidgetState(string_value=FORGED),
    WidgetState(json_value="{broken"),
    WidgetState(json_trigger_value=CLICKS[0]),
)
VALUES_OF_TABLES = tuple(WidgetState(string_value=one) for one in (*EDITS, *SELECTIONS))


class Log:
    """The lines that a process has written since this was made."""

    def __init__(self, app: AppProcess) -> None:
        self._app = app
        self._before = len(app.said)

    def lines(self) -> list[str]:
        """The lines so far; one that is none of the log's fails the test."""
        # At "\n" only: whatever else might begin a line must not be there at all.
        said = self._app.said[self._before :].split("\n")
        lines = [one for one in said if not GREETING.fullmatch(one)]
        assert [one for one in lines if not LINE.fullmatch(one) or not one.isprintable()] == []
        return lines


@dataclass
class Tried:
    """The widgets of a page, the ids of the errors that their values met, and what went wrong."""

    widgets: list[str]
    runs: int = 0
    ids: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


def try_values(app: AppProcess, page: str, values: Iterable[WidgetState], *, of: str = "") -> Tried:
    """Send each of ``values`` as that of each widget of a page, or of those with ``of`` in the id.

    Each must run the page once or twice, draw no error of Streamlit's, and where it meets one of
    ours leave one line with the id that the page names.
    """
    fields, log = PAGES[page], Log(app)
    tab = opened(app, fields)
    tried = Tried([one for one in tab.widget_ids if of in one])
    for widget in tried.widgets:
        for value in values:
            value.id = widget
            before, runs = len(log.lines()), tab.runs
            tab.rerun(value, **fields)
            messages = tab.settle(quiet=0.05)
            lines, told = log.lines()[before:], ids_in(tab.texts_of(messages))
            tried.runs += tab.runs - runs
            tried.ids |= told
            if tab.runs - runs not in {1, 2}:
                tried.wrong.append(f"{tab.runs - runs} runs by {value}")
            if list(tab.elements("exception", messages)) or told != ids_in(lines):
                tried.wrong.append(f"not told as logged: {value}")
            if lines:
                # A session keeps such a value: the next one gets its own.
                tab.close()
                tab = opened(app, fields)
    tab.close()
    return tried


def opened(app: AppProcess, fields: Mapping[str, Any] | None = None) -> Socket:
    """A page that an admin has open."""
    tab = Socket.connect(app.url, cookie_of(app.url, "ada"))
    tab.rerun(**fields or {})
    wait_until(lambda: "signed in as ada" in tab.read_texts())
    tab.settle(quiet=0.1, patience=0.1)
    return tab


def ids_in(texts: Iterable[str]) -> set[str]:
    """The ids of the errors that these texts name."""
    return set(re.findall(r"\(error ([0-9a-f]{8})\)", "\n".join(texts)))
