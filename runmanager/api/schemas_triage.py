"""What a filter's runs are like as a whole, as the API answers it."""

from __future__ import annotations

from pydantic import BaseModel, Field

from runmanager.api.schemas import Kind, utc_text
from runmanager.filters import KINDS
from runmanager.records import Accuracy, Histogram, StatusCounts


class StatusRuns(BaseModel):
    """How many runs have one status."""

    status: str | None = Field(description="The host's own word", examples=["completed"])
    kind: Kind = Field(description="What it means", examples=["completed"])
    runs: int = Field(examples=[12408])


class StatusesOfRuns(BaseModel):
    """The statuses of a filter's runs, without its own `kind` and `status`."""

    statuses: list[StatusRuns]
    accuracy: Accuracy

    @classmethod
    def of(cls, found: StatusCounts) -> StatusesOfRuns:
        """The answer for one record."""
        return cls(
            statuses=[
                StatusRuns(status=one.status, kind=one.kind.shown, runs=one.runs)
                for one in found.items
            ],
            accuracy=found.accuracy,
        )


class Bucket(BaseModel):
    """The runs that started from `from` on and before `to`, by kind; times are ISO 8601, UTC."""

    start: str = Field(serialization_alias="from", examples=["2026-05-03T14:00:00Z"])
    end: str = Field(serialization_alias="to", examples=["2026-05-03T14:05:00Z"])
    running: int = Field(examples=[0])
    completed: int = Field(examples=[120])
    failed: int = Field(examples=[3])
    paused: int = Field(examples=[1])
    other: int = Field(examples=[0])


class RunsOverTime(BaseModel):
    """Spans of time that follow each other without a gap; runs without a time are in none."""

    buckets: list[Bucket]
    accuracy: Accuracy

    @classmethod
    def of(cls, found: Histogram) -> RunsOverTime:
        """The answer for one record."""
        return cls(
            buckets=[
                Bucket(
                    start=utc_text(one.start),
                    end=utc_text(one.end),
                    **{kind: one.runs.get(kind, 0) for kind in KINDS},
                )
                for one in found.buckets
            ],
            accuracy=found.accuracy,
        )
