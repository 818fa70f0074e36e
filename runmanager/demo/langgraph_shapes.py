"""Rows as LangGraph's PostgresSaver writes them, for runs that no graph has executed.

The shapes follow what langgraph 1.2 with langgraph-checkpoint-postgres 3.2.0 leaves in the tables:
plain values of a channel lie inside the checkpoint's JSON, lists and objects as msgpack in
`checkpoint_blobs`, under the version of the step that changed them.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import ormsgpack

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

_GREGORIAN_START = datetime(1582, 10, 15, tzinfo=UTC)
_NOTES_KEPT = 20
_ERROR, _INTERRUPT = -1, -3  # LangGraph's fixed idx of these two special writes
_EXTENSION_OF_OBJECTS = 2


@dataclass(frozen=True)
class Story:
    """What happened in one run, as far as its checkpoints tell."""

    thread_id: str
    started: datetime
    pace: timedelta  # between two checkpoints
    nodes: Sequence[str]  # executed in this order; there is one checkpoint more for the input
    order: str
    error: str | None = None
    interrupted: bool = False
    document: bytes | None = None  # a large attachment, saved with the first node


@dataclass
class Rows:
    """Rows for COPY, by table, in the order of the columns named here."""

    checkpoints: list[tuple[Any, ...]] = field(default_factory=list)
    blobs: list[tuple[Any, ...]] = field(default_factory=list)
    writes: list[tuple[Any, ...]] = field(default_factory=list)

    CHECKPOINT_COLUMNS = (
        "thread_id", "checkpoint_id", "parent_checkpoint_id", "checkpoint", "metadata",
    )  # fmt: skip
    BLOB_COLUMNS = ("thread_id", "channel", "version", "type", "blob")
    WRITE_COLUMNS = (
        "thread_id", "checkpoint_id", "task_id", "idx", "channel", "type", "blob", "task_path",
    )  # fmt: skip


def checkpoint_id(moment: datetime, step: int, node: int) -> str:
    """Return the UUID version 6 of a step: the text of a later one sorts behind an earlier one."""
    ticks = (moment - _GREGORIAN_START) // timedelta(microseconds=1) * 10
    value = (ticks >> 12) << 80 | 6 << 76 | (ticks & 0xFFF) << 64
    return str(uuid.UUID(int=value | 2 << 62 | (step & 0x3FFF) << 48 | node))


def add_story(rows: Rows, story: Story, rng: random.Random) -> None:
    """Append the checkpoints, blobs and writes of one run."""
    thread = _Thread(rows, story, rng)
    thread.take_input()
    for node, following in pairwise([*story.nodes, None]):
        if node is not None:
            thread.execute(node, following)
    thread.end()


class _Thread:
    """The state of one graph execution, step by step."""

    def __init__(self, rows: Rows, story: Story, rng: random.Random) -> None:
        self._rows, self._story, self._rng = rows, story, rng
        self._values: dict[str, Any] = {}
        self._versions: dict[str, str] = {}
        self._seen: dict[str, dict[str, str]] = {"__input__": {}}
        self._notes: list[str] = []
        self._step = -1
        self._version = ""
        self._checkpoint: str | None = None

    def take_input(self) -> None:
        """Steps -1 and 0: the input arrives, then its values reach their channels."""
        story = self._story
        first = f"branch:to:{story.nodes[0]}"
        self._next_version()
        self._put_blob("__start__", {"order": story.order, "notes": []})
        self._save("input", ["__start__"])
        self._write("__start__", {"order": story.order, "notes": [], first: None})
        self._consume("__start__", "__start__")
        self._values = {"order": story.order, first: None}
        self._versions |= dict.fromkeys(("order", first), self._version)
        self._put_blob("notes", [])
        self._save("loop", sorted(["notes", "order", first]))

    def execute(self, node: str, following: str | None) -> None:
        """One step: the node reads its branch, adds a note and a total, and calls the next."""
        rng, story = self._rng, self._story
        note = f"{node}: {rng.randrange(1, 400)} records checked"
        writes: dict[str, Any] = {"notes": [note], "total": round(rng.uniform(5, 9000), 2)}
        if story.document is not None and self._step == 0:
            writes["document"] = {"filename": "ledger.pdf", "content": story.document}
        if following:
            writes[f"branch:to:{following}"] = None
        self._write(node, writes)
        self._consume(node, f"branch:to:{node}")
        self._notes = [*self._notes, note][-_NOTES_KEPT:]
        self._values["total"] = writes["total"]
        self._versions["total"] = self._version
        self._put_blob("notes", self._notes)
        if "document" in writes:
            self._put_blob("document", writes["document"])
        if following:
            self._values[f"branch:to:{following}"] = None
            self._versions[f"branch:to:{following}"] = self._version
        self._save("loop", sorted(writes))

    def end(self) -> None:
        """A run that failed or waits for somebody leaves a write without a checkpoint after it."""
        if self._story.error:
            self._write("publish", {"__error__": self._story.error}, idx=_ERROR)
        elif self._story.interrupted:
            question = ormsgpack.packb({"value": {"question": "Approve?"}, "id": "0" * 32})
            name = ormsgpack.packb("langgraph.types") + ormsgpack.packb("Interrupt")
            waiting = ormsgpack.Ext(_EXTENSION_OF_OBJECTS, b"\x93" + name + question)
            self._write("publish", {"__interrupt__": [waiting]}, idx=_INTERRUPT)

    def _next_version(self) -> None:
        self._version = f"{self._step + 2:032}.{self._rng.random()}"

    def _consume(self, node: str, channel: str) -> None:
        self._seen = {**self._seen, node: {channel: self._versions[channel]}}
        self._values.pop(channel, None)
        self._step += 1
        self._next_version()
        self._versions[channel] = self._version

    def _put_blob(self, channel: str, value: Any) -> None:
        self._versions[channel] = self._version
        blob = ormsgpack.packb(value)
        self._rows.blobs.append((self._story.thread_id, channel, self._version, "msgpack", blob))

    def _save(self, source: str, updated: list[str]) -> None:
        moment = self._story.started + self._story.pace * (self._step + 1)
        parent = self._checkpoint
        self._checkpoint = checkpoint_id(moment, self._step, self._rng.getrandbits(48))
        checkpoint = {
            "v": 4,
            "ts": moment.isoformat(timespec="microseconds"),
            "id": self._checkpoint,
            "channel_values": self._values,
            "channel_versions": self._versions,
            "versions_seen": self._seen,
            "updated_channels": updated,
        }
        metadata = {"source": source, "step": self._step, "parents": {}}
        self._rows.checkpoints.append(
            (self._story.thread_id, self._checkpoint, parent,
             json.dumps(checkpoint), json.dumps(metadata))
        )  # fmt: skip

    def _write(self, node: str, writes: dict[str, Any], idx: int = 0) -> None:
        task = str(uuid.UUID(int=self._rng.getrandbits(128)))
        for offset, (channel, value) in enumerate(writes.items()):
            kind, blob = ("null", b"") if value is None else ("msgpack", ormsgpack.packb(value))
            self._rows.writes.append(
                (self._story.thread_id, self._checkpoint, task, idx + offset, channel, kind, blob,
                 f"~__pregel_pull, {node}")
            )  # fmt: skip
