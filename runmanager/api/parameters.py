"""The query parameters of each endpoint, as models that refuse what they do not know.

A script that misspells ``username`` must not get every run, and then delete it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, create_model

from runmanager.filters import ENTRIES, WITHOUT_KEY, RunFilter, query_problems
from runmanager.paging import DEFAULT_SIZE, MAX_NUMBER, MAX_SIZE, PageRequest

# The web server takes 16 kB of address and headers, and a character may take twelve bytes of them.
MAX_TEXT = 1000
MAX_NAME = 300
MAX_LEVELS = 10
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


class CheckpointParameters(NoParameters):
    """Which of the checkpoints with one id."""

    namespace: str = Field("", max_length=MAX_TEXT, description="The checkpoint's namespace")


class FilterParameters(NoParameters):
    """The filter, entry by entry: its fields are made from the table of filters below."""

    @property
    def run_filter(self) -> RunFilter:
        """The runs that are meant. Raises RequestValidationError for what excludes itself."""
        query: dict[str, Any] = {key: getattr(self, key) for key in (*ENTRIES, WITHOUT_KEY)}
        problems = query_problems(query)
        if problems:
            raise RequestValidationError(
                [
                    {"type": "value_error", "loc": ("query", problem.key), "msg": problem.sentence}
                    for problem in problems
                ]
            )
        return RunFilter.from_query(query)


def _fields() -> dict[str, Any]:
    """A field for each entry of the table of filters, and ``without``."""
    words = "|".join(entry.word for entry in ENTRIES.values() if entry.has_without)
    of_entries = {
        key: Field(
            "",
            max_length=MAX_NAME if entry.has_without else MAX_TEXT,
            description=entry.description,
        )
        for key, entry in ENTRIES.items()
    }
    without = Field(
        "",
        max_length=MAX_TEXT,
        pattern=f"^(({words})(,({words}))*)?$",
        description=f"The runs that have none of these, separated by commas: {words}. None of them "
        "beside a value of its own",
        examples=[""],
    )
    return {key: (str, one) for key, one in (of_entries | {WITHOUT_KEY: without}).items()}


if TYPE_CHECKING:

    class RunsParameters(FilterParameters, PageParameters):
        """One page of the runs of a filter."""
else:
    RunsParameters = create_model(
        "RunsParameters", __base__=(FilterParameters, PageParameters), **_fields()
    )


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
