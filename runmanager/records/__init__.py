"""What the query package returns: frozen results, with ids as strings and times in UTC."""

from runmanager.records.finding import (
    CountState,
    CountView,
    FilterChoice,
    FilterChoices,
    RunPage,
    RunSummary,
)
from runmanager.records.operations import (
    DeletionPlan,
    DeletionReceipt,
    DoneRun,
    FailedRun,
    OperationKind,
    OperationState,
    OperationView,
    PlannedRun,
    Receipt,
)
from runmanager.records.people import Actor, Credential
from runmanager.records.reviewing import (
    Blob,
    CheckpointDetail,
    CheckpointSummary,
    CheckpointWrite,
    Excerpt,
    Footprint,
    JsonText,
    LeftBehind,
    LogEntry,
    RunDetail,
    RunLink,
)
from runmanager.records.sessions import Failures, SessionKind, SignInMethod, StoredSession
from runmanager.records.statuses import StatusKind, status_kind

__all__ = [
    "Actor",
    "Blob",
    "CheckpointDetail",
    "CheckpointSummary",
    "CheckpointWrite",
    "CountState",
    "CountView",
    "Credential",
    "DeletionPlan",
    "DeletionReceipt",
    "DoneRun",
    "Excerpt",
    "FailedRun",
    "Failures",
    "FilterChoice",
    "FilterChoices",
    "Footprint",
    "JsonText",
    "LeftBehind",
    "LogEntry",
    "OperationKind",
    "OperationState",
    "OperationView",
    "PlannedRun",
    "Receipt",
    "RunDetail",
    "RunLink",
    "RunPage",
    "RunSummary",
    "SessionKind",
    "SignInMethod",
    "StatusKind",
    "StoredSession",
    "status_kind",
]
