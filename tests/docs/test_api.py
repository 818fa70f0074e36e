"""docs/api.md: its very calls are run against the real process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from runmanager.filters import ENTRIES
from tests.api.conftest import SECRET
from tests.api.live import live
from tests.docs.reading import Document
from tests.passwords import set_password

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hosts import HostWriter


CALLS = Document("docs/api.md").block("sh", "curl")


def documents(text: str) -> list[Any]:
    """The JSON documents that stand in ``text``, one after the other."""
    decoder, found = json.JSONDecoder(), []
    while text.strip():
        document, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found.append(document)
    return found


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_every_call_works_as_it_stands(host: HostWriter, tmp_path: Path) -> None:
    set_password(host, "ada", "demo-admin")
    old = host.add_run(name="Old order", user="kate", workspace="Ops")
    began = datetime.now(UTC) - timedelta(hours=1)
    run = host.add_run(
        name="New order", status="failed", created_at=began,
        completed_at=began + timedelta(minutes=7), user="kate", error_message="Timeout",
    )  # fmt: skip
    host.add_traces(run, checkpoints=2, writes=1, blobs=2, logs=1)
    host.execute("UPDATE logs SET level = 'ERROR'")
    with live(host.url, tmp_path, RUNMANAGER_JWT_SECRET=SECRET) as running:
        done = subprocess.run(  # noqa: S603  our own page
            ["/usr/bin/env", "bash", "-euo", "pipefail", "-c", CALLS],
            env={"PATH": os.environ["PATH"], "API": running.api},
            capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    health, listed, users, spaces, without, failed, *rest = documents(done.stdout)
    statuses, spans, behind, filters, values, *rest = rest
    facts, log, text, checkpoints, blobs, plan, deleted, *rest = rest
    finished, opened, receipt, *refused, behind_it, restored, purging = rest
    assert health == {"status": "ok", "database": True}
    assert [one["name"] for one in listed["runs"]] == ["New order", "Old order"]
    assert users == {"usernames": ["kate"]}
    assert spaces == {"workspaces": [host.workspace("Ops")]}
    assert without["runs"] == []
    assert [(one["id"], one["error"]) for one in failed["runs"]] == [(run, "Timeout")]
    assert statuses["statuses"] == [{"status": "failed", "kind": "failed", "runs": 1}]
    assert sum(one["failed"] for one in spans["buckets"]) == 1
    assert [one["name"] for one in behind["runs"]] == ["Old order"]
    assert [one["key"] for one in filters["filters"]] == list(ENTRIES)
    assert values["values"] == [{"value": host.workspace("Ops"), "name": "Ops"}]
    assert facts["id"] == run
    assert text == {"text": "Timeout", "length": 7}
    assert [line["level"] for line in log["logs"]] == ["ERROR"]
    assert (checkpoints["total"], blobs["total"]) == (2, 2)
    assert (plan["total"], plan["by_status"]) == (1, {"failed": 1})
    first = deleted.pop("operation_id")
    assert deleted == {"deleted_count": 1, "failed": []}
    assert host.is_gone(run)
    second = opened["id"]
    assert [one["id"] for one in finished["operations"]] == [second, first]
    assert (opened["kind"], opened["done"], opened["failed"]) == ("deletion", 1, 0)
    assert opened["rows"]["run_metadata"] == 1
    assert [one["outcome"] for one in receipt["runs"]] == ["deleted"]
    assert receipt["reason"] == "Erasure asked for by the customer"
    assert "Receipt of a deletion" in (tmp_path / "receipt.html").read_text()
    assert len(refused) == 4
    assert all(list(one) == ["detail"] for one in refused)
    assert (behind_it["runs"], behind_it["obstacle"]) == (1, None)
    assert (restored["kind"], restored["done"], restored["parent"]) == ("restore", 1, second)
    assert (purging["kind"], purging["parent"]) == ("purge", second)
    assert not host.is_gone(old)
    said = [line for line in running.log.read_text().splitlines() if "runmanager.audit" in line]
    audit = [json.loads(line.split("runmanager.audit: ")[1]) for line in said]
    assert [(one["event"], one["operation"]) for one in audit][:9] == [
        ("deletion started", first), ("deletion ended", first), ("deletion started", second),
        ("deletion ended", second), *[("refused", second)] * 4, ("restore started", restored["id"]),
    ]  # fmt: skip
    assert SECRET not in running.log.read_text()


def test_every_call_is_there() -> None:
    for path in ("token", "health", "runs?", "usernames", "workspaces", "statuses?", "histogram?",
                 "after=", "runs/$RUN -H", "runs/$RUN/logs", "runs/$RUN/checkpoints",
                 "runs/$RUN/blobs", "deletion-plan", "-X DELETE $API/runs",
                 "operations -H", "operations?", "operations/$ID -H", "receipt -H",
                 "receipt?format", "pause", "resume", "stop", "retry", "restore-plan", "restore -H",
                 "purge"):  # fmt: skip
        assert path in CALLS
