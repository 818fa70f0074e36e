"""The query parameters of each endpoint, as models that refuse what they do not know.

A script that misspells ``username`` must not get every run, and then delete it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, create_model

from runmanager.api.places import MAX_PLACE, NO_PLACE, read_place
from runmanager.entries import MAX_WORDS, WordsEntry
from runmanager.filters import ENTRIES, WITHOUT_KEY, Entry, RunFilter, query_problems
from runmanager.paging import DEFAULT_SIZE, MAX_NUMBER, MAX_SIZE, PageRequest, RowKey
from runmanager.queries.triage.edges import MAX_BUCKETS
from runmanager.records import OperationFilter, OperationState
from runmanager.service.triage import BUCKETS
from runmanager.sorting import NEWEST_FIRST, SORTS, Sort, SortKey

# The web server takes 16 kB of address and headers, and a character may take twelve bytes of them.
MAX_TEXT = 1000
MAX_NAME = 300
MAX_LEVELS = 10
MAX_IDS = 200
MAX_KEY = 2000
LOG_SIZE = 100


class NoParameters(BaseModel):
    """An endpoint without query parameters."""

    model_config = ConfigDict(extra="forbid")


LogTable = Literal["logs", "thread_logs"] | None
WithoutParameters = Annotated[NoParameters, Query()]


class PageParameters(NoParameters):
    """One page of a list."""

    page: int = Field(1, ge=1, le=MAX_NUMBER, description="From 1")
    page_size: int = Field(DEFAULT_SIZE, ge=1, le=MAX_SIZE, description="Rows a page")

    @property
    def request(self) -> PageRequest:
        """The page that is asked for."""
        return PageRequest(self.page, self.page_size)


class LogParameters(PageParameters):
    """One page of a log."""

    page_size: int = Field(LOG_SIZE, ge=1, le=MAX_SIZE, description="Rows a page")
    level: list[Annotated[str, Field(max_length=MAX_TEXT)]] = Field(
        default=[], max_length=MAX_LEVELS, description="Only these levels; may be repeated"
    )
    newest_first: bool = Field(default=True, description="false: oldest first")
    table: LogTable = Field(None, description="Which log table, where the host has two")


class LogLineParameters(NoParameters):
    """One line of a log."""

    key: str = Field(max_length=MAX_KEY, description="The key that the line has")
    table: LogTable = Field(None, description="Which log table, where the host has two")


class OperationsParameters(PageParameters):
    """One page of the operations."""

    state: list[Literal["queued", "running", "paused", "interrupted", "finished"]] = Field(
        default=[],
        max_length=MAX_LEVELS,
        description="Only those in one of these states; may be repeated",
    )
    kind: list[Literal["deletion", "restore", "purge"]] = Field(
        default=[],
        max_length=MAX_LEVELS,
        description="Only those of one of these kinds; may be repeated",
    )
    admin: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_NAME,
        description="Only those of the administrator of this name",
    )

    @property
    def which(self) -> OperationFilter:
        """The operations that are meant."""
        return OperationFilter(tuple(map(OperationState, self.state)), tuple(self.kind), self.admin)


class ReceiptParameters(NoParameters):
    """In which form a receipt is wanted."""

    format: Literal["json", "html", ""] = Field(
        "",
        description="html: one document to hand over and to print. Where it is left out, the "
        "header Accept decides between it and json",
    )


class RestoreParameters(NoParameters):
    """Which runs of an operation are to be restored."""

    thread_id: list[Annotated[str, Field(max_length=MAX_TEXT)]] = Field(
        default=[],
        max_length=MAX_IDS,
        description="Only these runs; may be repeated. All of the operation where it is left out",
    )


class CheckpointParameters(NoParameters):
    """Which of the checkpoints with one id."""

    namespace: str = Field("", max_length=MAX_TEXT, description="The checkpoint's namespace")


def refused(sentence: str, *loc: str) -> RequestValidationError:
    """The answer to one part of a request that cannot be carried out as it stands."""
    return RequestValidationError([{"type": "value_error", "loc": loc, "msg": sentence}])


def filter_of(query: Mapping[str, Any], *loc: str) -> RunFilter:
    """The runs that ``query`` means, which stands at ``loc`` in the request.

    Raises RequestValidationError for what cannot be read.
    """
    problems = query_problems(query)
    if problems:
        wrong = [refused(one.sentence, *loc, one.key).errors() for one in problems]
        raise RequestValidationError([one for errors in wrong for one in errors])
    return RunFilter.from_query(query)


class _Filter(NoParameters):
    @property
    def run_filter(self) -> RunFilter:
        """The runs that are meant. Raises RequestValidationError for what cannot be read."""
        return filter_of({key: getattr(self, key) for key in (*ENTRIES, WITHOUT_KEY)}, "query")


# Tools send the first of each together.
_EXAMPLES: Mapping[str, list[Any]] = {
    "status": [["failed", "timeout"]],
    "kind": [["failed", "paused"]],
    "since": ["-24h", "2026-11-25T14:00:00+01:00"],
    "until": ["-1h", "2026-11-25T18:00:00+01:00"],
    "error": ["TimeoutError"],
    "longer_than": ["5m", "0.5"],
}


def _field(key: str, entry: Entry) -> tuple[Any, Any]:
    """The type and the field of one entry."""
    described: dict[str, Any] = {"description": entry.description}
    if key in _EXAMPLES:
        described["examples"] = _EXAMPLES[key]
    if not isinstance(entry, WordsEntry):
        longest = MAX_NAME if entry.has_without else MAX_TEXT
        return str, Field("", max_length=longest, **described)
    # Refused in the entry's own words; "" is none, as for every other parameter.
    words = {"enum": [*entry.known, ""]} if entry.known else None
    word = Annotated[str, Field(max_length=MAX_TEXT, json_schema_extra=words)]
    return list[word], Field([], max_length=MAX_WORDS, **described)


def _fields() -> dict[str, Any]:
    """A field for each entry of the table of filters, and ``without``."""
    words = "|".join(entry.word for entry in ENTRIES.values() if entry.has_without)
    without = Field(
        "",
        max_length=MAX_TEXT,
        pattern=f"^(({words})(,({words}))*)?$",
        description=f"The runs that have none of these, separated by commas: {words}. None of them "
        "beside a value of its own",
        examples=[""],
    )
    of_entries = {key: _field(key, entry) for key, entry in ENTRIES.items()}
    return of_entries | {WITHOUT_KEY: (str, without)}


if TYPE_CHECKING:

    class FilterParameters(_Filter):
        """The filter, entry by entry: its fields are made from the table of filters."""

    class FilterBody(_Filter):
        """The same in a body, where it is asked by ``filter_of``."""
else:
    FilterParameters = create_model("FilterParameters", __base__=_Filter, **_fields())
    FilterBody = create_model(
        "FilterBody",
        __base__=_Filter,
        __doc__="The filters of `GET /runs`, by the same names; what is left out is no filter.",
        **_fields(),
    )


class RunsParameters(FilterParameters, PageParameters):
    """One page of the runs of a filter, in an order."""

    sort: str = Field(
        "",
        description="What the runs are sorted by, upwards, or downwards with a minus before it. "
        "-started, the newest first, where it is left out",
        examples=["-started"],
        json_schema_extra={"enum": [*(one.text for one in SORTS), ""]},
    )
    after: str = Field(
        "",
        max_length=MAX_PLACE,
        description="`next` of an earlier answer: reads on behind its last run, whatever has been "
        "deleted since. Beside `page` 1, and sorted by started only",
    )

    @property
    def order(self) -> Sort:
        """The order that is asked for. Raises RequestValidationError where there is no such."""
        if not self.sort:
            return NEWEST_FIRST
        found = Sort.from_text(self.sort)
        if found is None:
            known = ", ".join(one.text for one in SORTS)
            raise refused(f"It must be one of these: {known}.", "query", "sort")
        return found

    @property
    def place(self) -> RowKey | None:
        """Where to read on. Raises RequestValidationError for what is no place in this list."""
        if not self.after:
            return None
        if self.page > 1:
            raise refused("“after” and “page” exclude each other.", "query", "after")
        if self.order.key is not SortKey.STARTED:
            raise refused("“after” reads on in the order of “started” only.", "query", "after")
        found = read_place(self.after)
        if found is None:
            raise refused(NO_PLACE, "query", "after")
        return found


class HistogramParameters(FilterParameters):
    """The runs of a filter, and how finely their times are told apart."""

    buckets: int = Field(
        BUCKETS, ge=1, le=MAX_BUCKETS, description="So many spans of time at the most"
    )
    zone: str = Field(
        "",
        max_length=MAX_NAME,
        description="The IANA name of the time zone whose hours and days the spans begin with; UTC "
        "where it is left out",
        examples=["Europe/Berlin"],
    )

    @property
    def time_zone(self) -> tzinfo:
        """The zone that is meant. Raises RequestValidationError for one that is not known."""
        if not self.zone:
            return UTC
        try:
            return ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):  # a folder of zones is read as a file
            raise refused(
                "It must be the IANA name of a time zone, such as Europe/Berlin.", "query", "zone"
            ) from None


def refuse_repeated(request: Request) -> None:
    """Raises RequestValidationError for a query parameter that is given twice and read once."""
    names = [name for name, _value in request.query_params.multi_items()]
    lists = {
        name
        for parameter in request.scope["route"].dependant.query_params
        for name, field in getattr(parameter.field_info.annotation, "model_fields", {}).items()
        if isinstance(field.default, list)
    }
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    wrong = [
        {"type": "duplicate", "loc": ("query", name), "msg": "Given more than once"}
        for name in repeated
        if name not in lists
    ]
    if wrong:
        raise RequestValidationError(wrong)
