"""Operations by the API: begun from a plan, looked at, steered, undone and accounted for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pytest

from runmanager.api.parameters import OperationsParameters
from runmanager.deletion import batch
from runmanager.receipts import POLICY
from runmanager.service import receipts
from tests.api.conftest import bearer, token
from tests.operations import in_batches_of, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runmanager.service import RunManager
    from tests.api.conftest import Caller
    from tests.hosts import HostWriter

VERBS = ("pause", "resume", "stop", "retry", "restore", "purge")


class Gate:
    """Where every batch waits until it is opened."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.waiting = threading.Event()

    def wait(self) -> None:
        self.waiting.set()
        assert self.is_open.wait(20)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Before each batch of one run."""
    gate = Gate()
    require_admin = batch.__dict__["require_admin"]

    def wait_at_the_gate(*arguments: object) -> None:
        gate.wait()
        require_admin(*arguments)

    monkeypatch.setattr(batch, "require_admin", wait_at_the_gate)
    in_batches_of(1, monkeypatch)
    yield gate
    gate.is_open.set()


def at_work(caller: Caller, host: HostWriter, gate: Gate, runs: int = 4) -> Any:
    """A deletion that waits at the gate in its first batch."""
    begun = caller.start(caller.plan(*host.add_runs(runs)))
    assert gate.waiting.wait(20)
    return begun


def held_run(host: HostWriter) -> str:
    """A run that the database refuses to delete by then, though no plan can know of it."""
    run = host.add_run()
    host.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not this one'; END $$"
    )
    host.execute(
        "CREATE TRIGGER refuse BEFORE DELETE ON run_metadata FOR EACH ROW "
        f"WHEN (old.thread_id::text = '{run}') EXECUTE FUNCTION refuse()"
    )
    return run


# Looking


def test_operations_are_listed_newest_first_and_page_by_page(
    host: HostWriter, caller: Caller
) -> None:
    assert caller.json("/operations") == {
        "operations": [], "total": 0, "page": 1, "page_size": 50,
        "kept": {"operations": 0, "bytes": 0, "uncounted": 0},
    }  # fmt: skip
    ids = [caller.deletes(run)["id"] for run in host.add_runs(5)]
    pages = [caller.json("/operations", page=page, page_size=2) for page in (1, 2, 3, 4)]
    listed = [[one["id"] for one in page["operations"]] for page in pages]
    assert listed == [[ids[4], ids[3]], [ids[2], ids[1]], [ids[0]], [ids[0]]]
    assert [(page["total"], page["page"]) for page in pages] == [(5, 1), (5, 2), (5, 3), (5, 3)]


def test_operations_are_narrowed_down_by_state_kind_and_admin(
    host: HostWriter, caller: Caller
) -> None:
    (run,) = host.add_runs(1)
    ended = caller.deletes(run)["id"]

    def listed(**query: Any) -> list[str]:
        return [one["id"] for one in caller.json("/operations", **query)["operations"]]

    assert listed(state="finished") == listed(state=["queued", "finished"]) == [ended]
    assert listed(state=["queued", "running", "paused", "interrupted"]) == []
    assert (
        listed(kind="deletion", state="finished") == listed(kind=["purge", "deletion"]) == [ended]
    )
    assert listed(admin="ada") == listed(admin="ada", kind="deletion", state="finished") == [ended]
    assert listed(kind="restore") == listed(admin="grace") == listed(admin="ADA") == []
    assert listed(admin="\0") == listed(admin="ada", kind="purge") == []
    for query in (
        "state=done", "state=planned", "state=", "kind=no such kind", "kind=%00", "kind=",
        "admin=", "kinds=deletion", "page=0",
    ):  # fmt: skip
        assert caller.client.get(f"/operations?{query}").status_code == 422


def test_every_kind_that_there_is_can_be_asked_for(manager: RunManager) -> None:
    (kinds,) = get_args(get_type_hints(OperationsParameters)["kind"])
    assert set(get_args(kinds)) == {one.name for one in manager.operations.kinds}


def test_the_list_says_how_big_the_copies_of_all_deletions_are(
    host: HostWriter, caller: Caller
) -> None:
    first, second = (caller.deletes(run) for run in host.add_runs(2))
    sizes = [caller.json(f"/operations/{one['id']}")["archive"]["bytes"] for one in (first, second)]
    assert min(sizes) > 0
    kept = {"operations": 2, "bytes": sum(sizes), "uncounted": 0}
    assert caller.json("/operations")["kept"] == kept
    assert caller.json("/operations", kind="purge")["kept"] == kept
    caller.finished(caller.post(first["id"], "purge"))
    assert caller.json("/operations")["kept"] == {
        "operations": 1, "bytes": sizes[1], "uncounted": 0,
    }  # fmt: skip


def test_one_operation_says_what_came_of_it(host: HostWriter, caller: Caller) -> None:
    bad = held_run(host)
    good = host.add_run()
    host.add_traces(good, checkpoints=2, writes=1, blobs=1, logs=3)
    found = caller.deletes(good, bad, reason="because")
    assert found["actor"] == {"id": str(host.admin.user_id), "name": "ada"}
    assert (found["kind"], found["how"], found["reason"]) == ("deletion", "api", "because")
    assert (found["total"], found["done"], found["failed"]) == (2, 1, 1)
    assert (found["rows"]["run_metadata"], found["rows"]["checkpoints"]) == (1, 2)
    assert [one["thread_id"] for one in found["failures"]] == [bad]
    assert "not this one" in found["failures"][0]["error"]
    assert (found["stopped"], found["wanted"], found["message"]) == (False, None, None)
    assert (found["interruptions"], found["parent"]) == (0, None)
    assert found["created_at"] <= found["started_at"] <= found["ended_at"]
    assert found["ended_at"].endswith("Z")


def test_one_at_work_says_how_far_it_is(host: HostWriter, caller: Caller, gate: Gate) -> None:
    begun = at_work(caller, host, gate)
    found = caller.json(f"/operations/{begun['id']}")
    assert (found["state"], found["total"], found["done"]) == ("running", 4, 0)
    assert found["rows"] is found["failures"] is found["remarks"] is found["ended_at"] is None
    assert caller.json("/operations", state="running")["total"] == 1
    gate.is_open.set()
    assert caller.finished(begun)["done"] == 4


def test_another_admin_sees_and_steers_it(host: HostWriter, caller: Caller, gate: Gate) -> None:
    begun = at_work(caller, host, gate)
    caller.client.headers.update(bearer(token(host.add_user("zoë", is_admin=True))))
    assert caller.json(f"/operations/{begun['id']}")["actor"]["name"] == "ada"
    assert caller.post(begun["id"], "stop")["wanted"] == "stop"
    gate.is_open.set()
    found = caller.finished(begun)
    assert found["stopped"] is True
    assert (found["done"], found["failed"]) == (1, 3)


def test_who_is_no_admin_changes_nothing(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    ended = caller.deletes(run)["id"]
    caller.client.headers.update(bearer(token(host.add_user("kate"))))
    for verb in VERBS:
        caller.post(ended, verb, 403)
    for path in ("/operations", f"/operations/{ended}", f"/operations/{ended}/receipt"):
        caller.json(path, 403)
    caller.client.headers.pop("Authorization")
    for verb in VERBS:
        caller.post(ended, verb, 401)


STRANGE = ("none", "0" * 32, "%00", "%ff", "a%2Fb", "..%2F..%2Fx", "%ED%A0%80", "é", "x" * 200, "-")


def test_an_operation_that_is_not_there_is_404(caller: Caller) -> None:
    for operation_id in STRANGE:
        path = f"/operations/{operation_id}"
        for one in (path, f"{path}/receipt", f"{path}/receipt?format=html", f"{path}/restore-plan"):
            response = caller.client.get(one)
            assert (response.status_code, list(response.json())) == (404, ["detail"]), one
        for verb in VERBS:
            one = f"{path}/{verb}"
            response = caller.client.post(one)
            assert (response.status_code, list(response.json())) == (404, ["detail"]), one


# Steering


def test_it_rests_and_goes_on(host: HostWriter, caller: Caller, gate: Gate) -> None:
    begun = at_work(caller, host, gate)
    response = caller.client.post(f"/operations/{begun['id']}/pause")
    assert response.status_code == 202
    assert response.headers["location"].endswith(f"/operations/{begun['id']}")
    assert response.json()["wanted"] == "pause"
    caller.json(f"/operations/{begun['id']}/receipt", 409)
    gate.is_open.set()
    path = f"/operations/{begun['id']}"
    until(lambda: caller.json(path)["state"] == "paused")
    assert caller.json(path)["done"] == 1
    caller.json(f"{path}/receipt", 409)
    caller.post(begun["id"], "resume")
    assert caller.finished(begun)["done"] == 4


def test_what_has_ended_cannot_be_steered(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    ended = caller.deletes(run)["id"]
    for verb in ("pause", "resume", "stop"):
        assert "ended already" in caller.post(ended, verb, 409)["detail"]
    assert "none" in caller.post(ended, "retry", 409)["detail"]


def test_those_that_failed_are_tried_again(host: HostWriter, caller: Caller) -> None:
    bad = held_run(host)
    (good,) = host.add_runs(1)
    ended = caller.deletes(good, bad)
    assert ended["failed"] == 1
    host.execute("DROP TRIGGER refuse ON run_metadata")
    again = caller.post(ended["id"], "retry")
    assert again["id"] != ended["id"]
    assert (again["kind"], again["total"], again["how"]) == ("deletion", 1, "api")
    assert caller.finished(again)["done"] == 1
    assert host.is_gone(bad)


def test_a_retry_takes_the_first_that_failed_where_they_are_many(
    host: HostWriter, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MAX_LISTED", 2)
    ended = caller.deletes(*(f"none-{number}" for number in range(3)))
    assert ended["failed"] == 3
    assert caller.post(ended["id"], "retry")["total"] == 2
    said = caller.client.get("/openapi.json").json()["paths"]
    (retry,) = (one["post"] for path, one in said.items() if path.endswith("/retry"))
    assert "Of more than 10,000 it takes the first" in retry["description"]


def test_actions_take_no_parameters(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    ended = caller.deletes(run)["id"]
    for verb in VERBS:
        response = caller.client.post(f"/operations/{ended}/{verb}?force=true")
        assert response.status_code == 422


# Receipts


def test_the_receipt_is_json_or_a_document(host: HostWriter, caller: Caller) -> None:
    run = host.add_run(name="<script>alert(1)</script>")
    ended = caller.deletes(run, reason="GDPR & co")
    path = f"/operations/{ended['id']}/receipt"
    response = caller.client.get(path)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    receipt = response.json()
    assert (receipt["operation_id"], receipt["reason"]) == (ended["id"], "GDPR & co")
    assert [(one["thread_id"], one["outcome"]) for one in receipt["runs"]] == [(run, "deleted")]
    document = caller.client.get(f"{path}?format=html")
    assert document.headers["content-type"] == "text/html; charset=utf-8"
    assert document.headers["content-security-policy"] == POLICY
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in document.text
    assert "<script>" not in document.text
    assert "GDPR &amp; co" in document.text
    assert run in document.text


def test_accept_says_which_where_the_address_does_not(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    path = f"/operations/{caller.deletes(run)['id']}/receipt"
    for query, accept, kind in (
        ("", "*/*", "application/json"),
        ("", "", "application/json"),
        ("", "application/json", "application/json"),
        ("", "text/html", "text/html"),
        ("", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("", "application/json, text/html;q=0.5", "application/json"),
        ("", "text/html;q=0", "application/json"),
        ("", "text/html;q=x, a;;=, ,", "application/json"),
        ("?format=json", "text/html", "application/json"),
        ("?format=html", "application/json", "text/html"),
        ("?format=", "TEXT/HTML", "text/html"),
    ):
        response = caller.client.get(path + query, headers={"Accept": accept})
        assert response.headers["content-type"].split(";")[0] == kind, (query, accept)


def test_an_error_is_json_whatever_was_asked_for(caller: Caller) -> None:
    response = caller.client.get("/operations/none/receipt", headers={"Accept": "text/html"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json"
    assert caller.client.get("/operations/none/receipt?format=pdf").status_code == 422


def test_a_receipt_whose_file_is_gone_is_410(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    ended = caller.deletes(run)["id"]
    caller.manager.operations._keeping.folder(ended).remove(["receipt.json"])
    for query in ("", "?format=html"):
        caller.json(f"/operations/{ended}/receipt{query}", 410)
    assert caller.json(f"/operations/{ended}")["state"] == "finished"


def test_a_deletion_that_waits_has_a_receipt_too(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    body = {"thread_ids": [run, "none"]}
    ended = caller.send("DELETE", "/runs", body)["operation_id"]
    receipt = caller.json(f"/operations/{ended}/receipt")
    assert [(one["thread_id"], one["outcome"]) for one in receipt["runs"]] == [
        (run, "deleted"), ("none", "failed"),
    ]  # fmt: skip
    assert caller.json(f"/operations/{ended}")["archive"]["until"]


# Undoing


def test_what_was_deleted_is_put_back(host: HostWriter, caller: Caller) -> None:
    one = host.add_run()
    (two,) = host.add_runs(1)
    host.add_traces(one, checkpoints=2, writes=1, blobs=1, logs=3)
    before = host.contents()
    ended = caller.deletes(one, two)["id"]
    plan = caller.json(f"/operations/{ended}/restore-plan")
    assert (plan["runs"], plan["refused"], plan["obstacle"]) == (2, [], None)
    assert plan["tables"]["checkpoints"] == 3
    back = caller.post(ended, "restore")
    assert (back["kind"], back["parent"], back["how"]) == ("restore", ended, "api")
    assert caller.finished(back)["done"] == 2
    assert host.contents() == before
    receipt = caller.json(f"/operations/{back['id']}/receipt")
    assert receipt["kind"] == "restore"
    assert receipt["restored"] == 2


def test_chosen_runs_are_put_back(host: HostWriter, caller: Caller) -> None:
    one, two = host.add_runs(2)
    ended = caller.deletes(one, two)["id"]
    assert caller.json(f"/operations/{ended}/restore-plan", thread_id=[two])["runs"] == 1
    back = caller.post(ended, "restore", body={"thread_ids": [two]})
    assert caller.finished(back)["done"] == 1
    assert host.is_gone(one)
    assert not host.is_gone(two)


def test_a_restore_of_another_shape_restores_nothing(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    ended = caller.deletes(run)["id"]
    bodies: list[Any] = [
        [], {"thread_ids": []}, {"thread_ids": run}, {"thread_ids": [1]}, {"ids": [run]},
    ]  # fmt: skip
    for body in bodies:
        caller.send("POST", f"/operations/{ended}/restore", body, 422)
    assert host.is_gone(run)


def test_what_is_purged_cannot_be_put_back(host: HostWriter, caller: Caller) -> None:
    (run,) = host.add_runs(1)
    ended = caller.deletes(run)["id"]
    purge = caller.post(ended, "purge")
    assert (purge["kind"], purge["parent"]) == ("purge", ended)
    caller.finished(purge)
    found = caller.json(f"/operations/{ended}")
    assert found["archive"]["purged_at"]
    assert found["archive"]["until"] is None
    assert caller.post(ended, "restore", 409)["detail"]
    assert caller.post(ended, "purge", 409)["detail"]
    assert (
        "The copy was purged on"
        in caller.client.get(f"/operations/{ended}/receipt?format=html").text
    )
    assert caller.json(f"/operations/{ended}/receipt")["archive"]["purged_at"]
