"""What docs/deleting.md promises has the tests that it names; and psql alone is enough."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from runmanager.demo.binaries import find_binaries
from runmanager.receipts import lines
from tests.archives import values_of
from tests.conftest import every_shape
from tests.docs.reading import Document
from tests.operations import delete, in_batches_of, until
from tests.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from runmanager.records import Actor
    from runmanager.service import RunManager
    from tests.hosts import HostWriter

PAGE = Document("docs/deleting.md")
PROMISES = re.findall(r"^\| (.+?) \| `(\S+)::(\w+)` \|$", PAGE.text, re.M)


def test_the_page_promises_something() -> None:
    assert len(PROMISES) >= 15


@pytest.mark.parametrize(("promise", "file", "test"), PROMISES)
def test_each_promise_has_its_test(promise: str, file: str, test: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    assert test in {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}


@pytest.mark.parametrize("package", ["s3fs", "fsspec"])
def test_the_driver_of_s3_that_it_names_is_the_one_that_was_tested(package: str) -> None:
    named = re.findall(r"pip install s3fs==([\d.]+\d)", PAGE.text)
    tested = re.findall(
        rf"^{package}==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M
    )
    assert named == tested
    assert len(named) == 1


def test_every_field_of_a_receipt_is_described(
    host: HostWriter, manager: RunManager, admin: Actor
) -> None:
    described = set(re.findall(r"``(\w+)``", lines.__doc__ or ""))
    for inside in re.findall(r"\{(.+?)\}", lines.__doc__ or "", re.S):
        described |= set(re.findall(r"\w+", inside))
    (run,) = host.add_runs(1)
    ended = delete(manager, admin, [run, "nowhere"])
    restored = manager.operations.restore(admin, ended.operation_id)
    until(lambda: manager.operations.view(admin, restored.operation_id).is_over)
    purged = manager.operations.purge(admin, ended.operation_id)
    until(lambda: manager.operations.view(admin, purged.operation_id).is_over)
    for one in (ended.operation_id, restored.operation_id, purged.operation_id):
        receipt = json.loads(b"".join(manager.operations.receipt_json(admin, one)))
        assert receipt.keys() - described == set()
        assert {name for each in receipt["runs"] for name in each} - described == set()


@every_shape
def test_psql_alone_puts_back_what_was_deleted(
    host: HostWriter, manager: RunManager, admin: Actor, state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    in_batches_of(2, monkeypatch)
    runs = host.add_runs(5)
    before = values_of(host)
    assert len(delete(manager, admin, runs[:4]).done) == 4
    assert values_of(host) != before
    manager.close()
    (folder,) = (one for one in (state_dir / "archive").iterdir() if one.is_dir())
    script = PAGE.block("sh", "psql -X")
    url = host.url.set(drivername="postgresql").difference_update_query(["options"])
    done = subprocess.run(  # noqa: S603  the document's own
        ["/bin/sh", "-ec", script],
        cwd=folder,
        capture_output=True,
        check=False,
        env=os.environ
        | {
            "DATABASE_URL": url.render_as_string(hide_password=False),
            "PATH": f"{find_binaries()}:{os.environ['PATH']}",
        },
    )
    assert done.returncode == 0, done.stderr.decode()
    assert values_of(host) == before
