"""The sample's runs: mostly ordinary, and one at least of every kind that makes a page stumble."""

# ruff: noqa: RUF001  # names of runs come in every script and with every dash

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from runmanager.demo.people import random_uuid

if TYPE_CHECKING:
    import random
    import uuid
    from collections.abc import Callable, Sequence

DAYS = 90
_SHARE_OF_RERUNS = 0.04
_SHARE_WITH_GAPS = 0.04
LONG_LOG, LONG_HISTORY, LARGE_BLOB = "long log", "long history", "large blob"

_NAMES = (
    "Order processing – invoice {n}", "Customer onboarding – {company}", "Claims triage – case {n}",
    "Contract review – MSA {n}", "Payroll check – {company}", "Supplier audit – {company}",
    "Refund request – order {n}", "Support summary – ticket {n}", "Quarterly report – {company}",
    "Shipment tracking – box {n}", "Inventory count – warehouse {s}", "Credit check – {company}",
)  # fmt: skip
_COMPANIES = (
    "Müller GmbH", "Kaneko Ltd", "Acme Corp", "Østergaard A/S", "Northwind", "Globex", "Initech",
    "Société Dupont", "Banco Ibérico", "Contoso", "Tyrell & Sons", "Umbra Logistics",
)  # fmt: skip
_MODELS = ("claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5-mini", "gemini-2.5-pro", "llama-3.3-70b")
_SOPS = ("invoice-intake-v3", "kyc-standard-v2", "contract-review-v5", "claims-triage-v1", None)
_STATUSES = {
    "completed": 80,
    "failed": 9,
    "FAILED": 1.5,
    "error": 2,
    "paused": 2,
    "interrupted": 2,
    None: 0.4,
}
_ERRORS = (
    "TimeoutError: the carrier's service did not answer within 30 s",
    "ValidationError: 2 fields of the invoice are missing: vat_id, due_date",
    "RateLimitError: 429 too many requests, gave up after 5 attempts",
    "KeyError: 'customer_id'",
    "The model's answer was not valid JSON:\nExpecting ',' delimiter: line 14 column 3 (char 402)",
    "PermissionError: the service account may not read the folder “Contracts/2026”",
)
_OPEN = ("running", "queued", "paused", "interrupted", None)
_FAILED = ("failed", "FAILED", "error")


@dataclass(frozen=True)
class Run:
    """One row of `run_metadata`, and what its logs and checkpoints are made from."""

    thread_id: str
    run_name: str | None
    status: str | None
    created_at: datetime | None
    completed_at: datetime | None
    user_id: uuid.UUID | None
    workspace_id: uuid.UUID | None
    error_message: str | None
    parent_thread_id: str | None
    llm_model: str | None
    sop: str | None
    initial_data: dict[str, Any] | None
    metadata: dict[str, Any] | None
    started: datetime  # known to its logs even where the row has no time
    heavy: str | None = None

    @property
    def failed(self) -> bool:
        return self.status in _FAILED


def make_runs(
    count: int,
    rng: random.Random,
    now: datetime,
    user_ids: Sequence[uuid.UUID],
    workspace_ids: Sequence[uuid.UUID],
) -> list[Run]:
    """Return the runs of the 90 days up to `now`, the earlier users and workspaces being busier."""
    oddities = _oddities(rng, now)
    runs: list[Run] = []
    for number in range(count):
        run = _ordinary_run(rng, now, user_ids, workspace_ids)
        if number < len(oddities):
            run = oddities[number](run)
        elif rng.random() < _SHARE_OF_RERUNS:
            run = _second_attempt(rng.choice(runs), run, now)
        elif rng.random() < _SHARE_WITH_GAPS:
            run = rng.choice(_gaps(rng))(run)
        runs.append(_settle(run, rng, now))
    return runs


def _ordinary_run(
    rng: random.Random,
    now: datetime,
    user_ids: Sequence[uuid.UUID],
    workspace_ids: Sequence[uuid.UUID],
) -> Run:
    started = now - timedelta(seconds=rng.uniform(60, DAYS * 86_400))
    age = now - started
    status = rng.choices(list(_STATUSES), list(_STATUSES.values()))[0]
    if age < timedelta(hours=8) and rng.choice((True, False)):
        status = "running"
    name = rng.choice(_NAMES).format(
        n=rng.randrange(1000, 10_000), company=rng.choice(_COMPANIES), s=rng.choice("ABCDEF")
    )
    return Run(
        thread_id=str(random_uuid(rng)),
        run_name=name,
        status=status,
        created_at=started,
        completed_at=None,
        user_id=_skewed(rng, user_ids),
        workspace_id=_skewed(rng, workspace_ids),
        error_message=None,
        parent_thread_id=None,
        llm_model=rng.choice(_MODELS),
        sop=rng.choice(_SOPS),
        initial_data=_initial_data(rng),
        metadata=_metadata(rng),
        started=started,
    )


def _initial_data(rng: random.Random) -> dict[str, Any]:
    return {
        "reference": f"{rng.choice('ACKT')}-{rng.randrange(10_000, 99_999)}",
        "items": rng.randrange(1, 40),
        "priority": rng.choice(("low", "normal", "high")),
        "customer": {"name": rng.choice(_COMPANIES), "vip": rng.choice((True, False, False))},
    }


def _metadata(rng: random.Random) -> dict[str, Any]:
    return {
        "trigger": rng.choice(("api", "schedule", "manual")),
        "attempt": 1,
        "tags": rng.sample(("eu", "us", "pilot", "nightly", "urgent"), rng.randrange(3)),
    }


def _skewed(rng: random.Random, ids: Sequence[uuid.UUID]) -> uuid.UUID:
    return rng.choices(ids, [0.75**place for place in range(len(ids))])[0]


def _second_attempt(first: Run, run: Run, now: datetime) -> Run:
    started = first.started + (now - first.started) * 0.02
    metadata = {**(run.metadata or {}), "attempt": 2, "trigger": "rerun"}
    status = "completed" if run.status == "running" else run.status  # it may be months ago by now
    return replace(
        run, parent_thread_id=first.thread_id, run_name=first.run_name, user_id=first.user_id,
        workspace_id=first.workspace_id, started=started, created_at=started, metadata=metadata,
        status=status,
    )  # fmt: skip


def _settle(run: Run, rng: random.Random, now: datetime) -> Run:
    """Give a run the end and the error that its status calls for."""
    if run.failed:
        run = replace(run, error_message=rng.choice(_ERRORS))
    if run.status in _OPEN or run.created_at is None:
        return run
    return replace(
        run, completed_at=min(now, run.started + timedelta(seconds=rng.uniform(2, 1800)))
    )


def _gaps(rng: random.Random) -> list[Callable[[Run], Run]]:
    """What hosts leave empty, or let go stale."""
    gone = random_uuid(rng)
    return [
        lambda run: replace(run, run_name=None),
        lambda run: replace(run, user_id=None),
        lambda run: replace(run, workspace_id=None),
        lambda run: replace(run, created_at=None),
        lambda run: replace(run, user_id=gone),
        lambda run: replace(run, initial_data=None, metadata=None, llm_model=None),
    ]


def _oddities(rng: random.Random, now: datetime) -> list[Callable[[Run], Run]]:
    """Every kind of run that a sample of any useful size has at least once."""

    def named(name: str) -> Callable[[Run], Run]:
        return lambda run: replace(run, run_name=name)

    def with_status(status: str | None) -> Callable[[Run], Run]:
        return lambda run: replace(run, status=status)

    def just_now(status: str, minutes: float) -> Callable[[Run], Run]:
        moment = now - timedelta(minutes=minutes)
        return lambda run: replace(run, status=status, started=moment, created_at=moment)

    def heavy(kind: str, name: str) -> Callable[[Run], Run]:
        return lambda run: replace(run, run_name=name, heavy=kind, status="completed")

    return [
        heavy(LONG_LOG, "Nightly reconciliation – full ledger"),
        heavy(LONG_HISTORY, "Negotiation assistant – 300 turns"),
        heavy(LARGE_BLOB, "Document intake – annual report"),
        *(named(name) for name in _STRANGE_NAMES),
        *_gaps(rng),
        *(with_status(status) for status in (*_STATUSES, "weird")),
        *(just_now("running", 1 + 9.7 * place) for place in range(6)),
        *(just_now("queued", 0.5 + place) for place in range(3)),
    ]


_STRANGE_NAMES = (
    "注文処理 – 請求書 4821",
    "معالجة الطلبات – فاتورة ٤٨٢١",
    "Обработка заказа – счёт 4821",
    "🚚 Delivery re-route 🌧️ – 👩‍🔧 on call",
    "<script>alert(1)</script>",
    "![x](http://example.com/x.png)",
    "=1+1",
    "100% of_everything \\ done",
    "Robert'); DROP TABLE run_metadata;--",
    "Consolidated month-end review for every subsidiary, including "
    + ", ".join(_COMPANIES)
    + ", and "
    "those whose books are kept by a third party and arrive by post on the last working day",
)
