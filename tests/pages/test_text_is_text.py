"""Whatever the host or an address says is shown as text: nothing of it is Markdown or HTML."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from pages.parts import checkpoint_list, log_list, session
from runmanager.paging import PageRequest
from tests.hostile_host import FAILS, NAMES, add_hostile_runs, add_names
from tests.pages.conftest import Visitor
from tests.pages.labels import markup_in
from tests.texts import HOSTILE, MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runmanager.service import RunManager
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter

# Fields that the browser shows as they are: by the kind of element and the field's name.
PLAIN = {
    ("text", "body"),
    ("code", "code_text"),
    ("json", "body"),
    ("selectbox", "options"),
    ("selectbox", "raw_value"),
    ("multiselect", "options"),
    ("multiselect", "raw_values"),
    ("text_input", "value"),
    ("text_input", "default"),
    # The address of the way back to the list, percent-encoded.
    ("page_link", "query_string"),
}
# Names of elements, of which the browser makes classes; never text on the page.
NAMES_OF_ELEMENTS = {"id", "form_id", "element_id"}
OTHER_PARAMETERS = (
    *("username", "workspace", "model", "without", "page", "page_size"),
    *("status", "kind", "since", "until", "error", "longer_than", "sort", "columns"),
)
MARKS_OF_NAMES = set(re.findall(MARK, " ".join(NAMES)))
ALL_MARKS = {one.mark for one in HOSTILE} | MARKS_OF_NAMES


def test_no_text_of_the_hosts_is_rendered(host: HostWriter, open_manager: OpenManager) -> None:
    add_names(host)
    # Its runs write at this moment.
    manager = open_manager(active_minutes=0)
    session.provide(manager)
    ada = Visitor(manager).signed_in_as("ada")
    runs = add_hostile_runs(host, HOSTILE)
    host.add_trigger("run_metadata", FAILS)
    ada.at(page_size="200")
    assert len(ada.rows) == len(runs)
    seen = marks_in_text(ada)
    for run in runs:
        seen |= marks_in_text(opened(ada, manager, host, run))
    assert seen == ALL_MARKS
    ada = Visitor(manager).signed_in_as("ada").at(page_size="200")
    ada.press("select_page").press("delete_selected")
    marks_in_text(ada)
    assert marks_in_text(ada.open_tab("Tables")) >= MARKS_OF_NAMES
    assert marks_in_text(ada.open_tab("Kept")) >= MARKS_OF_NAMES
    ada.press("confirm_deletion").finish_deletion()
    assert marks_in_text(ada) >= {one.mark for one in HOSTILE}
    assert len(ada.tables("Failed run", "Reason")[0]) == len(runs)
    ada.at("operations.py", operation=ada.operations[0].operation_id)
    assert marks_in_text(ada) >= {one.mark for one in HOSTILE}
    marks_in_text(ada.at("operations.py"))


def test_nothing_of_an_address_is_rendered(ada: Visitor, host: HostWriter) -> None:
    host.add_run()
    for one in HOSTILE:
        query = dict.fromkeys(("search", *OTHER_PARAMETERS, one.text), one.text)
        assert marks_in_text(ada.at(**query)) == {one.mark}
    ada.at("run.py")
    for one in HOSTILE:
        ada.app.query_params = {"id": one.text, one.text: one.text}
        marks_in_text(ada.look())


def test_a_name_that_is_signed_in_is_text(
    visitor: Callable[..., Visitor], host: HostWriter
) -> None:
    for number, one in enumerate(HOSTILE[::4]):
        # Two of one beginning would be one name.
        name = f"{number} {one.text[:500]}".strip()
        host.add_user(name, is_admin=True)
        assert marks_in_text(visitor().signed_in_as(name).at()) == {one.mark}


def opened(ada: Visitor, manager: RunManager, host: HostWriter, run: str) -> Visitor:
    """The page of a run, with a line of its log and a checkpoint opened."""
    actor = host.admin
    (line,) = manager.reviewing.logs(actor, run, "logs", PageRequest()).items
    (checkpoint,) = manager.reviewing.checkpoints(actor, run, PageRequest()).items
    ada.at_run(run)
    ada.held(log_list._Opened).line = (run, "logs", line.key)
    held = ada.held(checkpoint_list._Opened)
    held.thread_id, held.checkpoint = run, (checkpoint.namespace, checkpoint.key)
    ada.look()
    assert {"opened-checkpoint", "log-line"} <= {
        str(getattr(node, "key", None)) for node in ada.app
    }
    return ada


def marks_in_text(ada: Visitor) -> set[str]:
    """See that no mark is in anything that is rendered; the marks that are shown as text."""
    rendered = [one for node in ada.app for one in rendered_in(node)]
    assert re.findall(MARK, "\n".join(rendered)) == []
    return set(re.findall(MARK, ada.everything))


def rendered_in(node: Any) -> Iterator[str]:
    """All that the browser makes Markdown or HTML of in one element, or could."""
    proto = getattr(node, "proto", None)
    if proto is None:
        return
    if node.type == "html":
        tags = Tags()
        tags.feed(proto.body)
        yield " ".join(tags.found)
    else:
        yield from strings_of(node.type, proto)


def strings_of(kind: str, proto: Any) -> Iterator[str]:
    """Every string in a message, and in those inside it, but for what is plain."""
    for field, value in proto.ListFields():
        if (kind, field.name) in PLAIN or field.name in NAMES_OF_ELEMENTS:
            continue
        values = value if field.is_repeated else [value]
        if (kind, field.name) == ("button", "label") and markup_in(value) == "":
            continue
        for one in values:
            if field.name == "columns" and isinstance(one, str):
                yield json.dumps([without_options(column) for column in json.loads(one).values()])
            elif isinstance(one, str):
                yield one
            elif hasattr(one, "ListFields"):
                yield from strings_of(kind, one)


def without_options(column: dict[str, Any]) -> dict[str, Any]:
    """How a table's column is drawn, without the words that its cells may hold."""
    return column | {"type_config": (column.get("type_config") or {}) | {"options": None}}


class Tags(HTMLParser):
    """The tags of a piece of HTML, with their attributes, and the text of those that hold code."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        self.found.append(f"<{tag} {attrs}>")
        self._tag = tag

    def handle_data(self, data: str) -> None:
        """The text inside a tag."""
        if self._tag in {"script", "style"}:
            self.found.append(data)
