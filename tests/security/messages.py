"""One message of a signed-in browser is answered by two script runs at the most.

    python -m tests.security.messages

Widgets that are not there, values of the wrong kind, fragments and pages that nobody has, and bytes
that are no message: the page rests again after each, and the next plain message is answered.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.security.report import Report, leave
from tests.security.target import own_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.security.target import Instance, Target
    from tests.sockets import Socket

MOST_RUNS = 2
_VALUES: tuple[dict[str, Any], ...] = (
    {}, {"trigger_value": True}, {"bool_value": True}, {"int_value": 2**62}, {"int_value": -1},
    {"double_value": float("nan")}, {"string_value": ""}, {"string_value": "x" * 100_000},
    {"string_value": '{"edited_rows": {"99999": {"select": true}}}'}, {"bytes_value": b"\xff"},
    {"string_value": '{"edited_rows": {"-1": {"nothing": []}}, "added_rows": [{}]}'},
    {"json_value": "{"}, {"json_value": "[[[["}, {"string_value": "\0"},
)  # fmt: skip


def states(tab: Socket) -> Iterator[WidgetState]:
    """Every widget of the page, and some that are none, with every value."""
    unknown = ("x", "", "$$ID-0-x", "$$ID-0-confirm_deletion", "\0", "$$STREAMLIT_INTERNAL_KEY_x")
    for widget_id, fields in product((*tab.widget_ids, *unknown), _VALUES):
        state: Any = WidgetState(id=widget_id)
        for name, value in fields.items():
            setattr(state, name, value)
        yield state


def messages(tab: Socket) -> Iterator[tuple[str, BackMsg]]:
    """By kind, what a browser would never send."""
    for state in list(states(tab)):
        message = BackMsg()
        message.rerun_script.page_script_hash = tab.page_hash
        message.rerun_script.widget_states.widgets.append(state)
        yield "widget values", message
    for fields in (
        {"page_script_hash": "0" * 32}, {"page_script_hash": "\0"}, {"page_name": "../../app"},
        {"fragment_id": "0" * 32}, {"fragment_id": "x"}, {"query_string": "?" * 10_000},
        {"query_string": "id=%00&id=%ff&page=9e9"}, {"is_auto_rerun": True},
    ):  # fmt: skip
        message = BackMsg()
        message.rerun_script.page_script_hash = tab.page_hash
        for name, value in fields.items():
            setattr(message.rerun_script, name, value)
        yield "addresses and fragments", message
    for name in ("clear_cache", "load_git_info", "set_run_on_save"):
        message = BackMsg()
        setattr(message, name, True)
        yield "what the dashboard does not need", message


def attack(target: Target, instance: Instance, report: Report, *, step: int = 1) -> None:
    """Every ``step``-th message, each on a page that rests."""
    cookie = instance.sign_in(target.host.admin.username)
    with instance.opened(cookie) as tab:
        for kind, message in list(messages(tab))[::step]:
            before = tab.runs
            tab.send(message)
            is_run = message.WhichOneof("type") == "rerun_script"
            tab.settle(quiet=0.2, patience=10.0 if is_run else 0.5)
            report.count(kind)
            runs = tab.runs - before
            said = str(message).replace("\n", " ")[:160]
            report.require(runs <= MOST_RUNS, f"{runs} runs for {said}")
            report.require(not tab.is_closed, f"closed after {said}")
            if tab.is_closed:
                return
        tab.read(1)
        before = tab.runs
        tab.rerun()
        tab.settle()
        report.require(tab.runs > before, "the page is no longer drawn")
    for data in (b"\xff" * 100, b"", b"\x08", "text"):
        report.count("no messages at all")
        with instance.opened(cookie) as tab:
            before = tab.runs
            tab.send(data)
            tab.read(0.5)
            report.require(tab.runs - before <= MOST_RUNS, f"{tab.runs - before} runs for {data!r}")
    report.require("Traceback" not in instance.app.said, "a traceback in the log")


def main() -> None:
    """Attack, print, and exit 1 where a message has led to more than two runs."""
    report = Report("messages")
    with own_target() as target:
        attack(target, target.serve(), report)
    leave(report)


if __name__ == "__main__":
    main()
