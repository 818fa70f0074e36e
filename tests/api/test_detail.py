"""One run as JSON, its logs, checkpoints and stored values; the plan of a deletion; health."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.conftest import every_shape
from tests.hosts import LONG_AGO

if TYPE_CHECKING:
    from tests.api.conftest import Caller, OpenCaller
    from tests.hosts import HostWriter

PREFIX = "/admin/run-manager"


def test_a_run_has_everything_the_database_has(host: HostWriter, caller: Caller) -> None:
    parent = host.add_run("parent", name="First", status="failed")
    host.add_run(
        "r-1",
        name=None,
        user="kate",
        workspace="Ops",
        parent_thread_id=parent,
        completed_at=LONG_AGO,
        error_message="it broke",
        llm_model="model",
        initial_data='{"items": 3}',
    )
    host.add_run("rerun", parent_thread_id="r-1")
    host.add_traces("r-1", checkpoints=2, writes=3, blobs=2, logs=4)
    host.execute("CREATE TABLE billing (thread_id text)")
    facts = caller.json("/runs/r-1")
    tables = facts.pop("tables")
    assert [(one["table"], one["rows"]) for one in tables] == [
        ("run_metadata", 1),
        ("checkpoint_blobs", 2),
        ("checkpoint_writes", 6),
        ("checkpoints", 2),
        ("logs", 4),
    ]
    assert all(one["bytes"] > 0 for one in tables)
    assert facts == {
        "id": "r-1",
        "name": "r-1",
        "result": "completed",
        "time": "2025-01-01T12:00:00Z",
        "username": "kate",
        "workspace": host.workspace("Ops"),
        "kind": "completed",
        "has_row": True,
        "workspace_name": "Ops",
        "completed": "2025-01-01T12:00:00Z",
        "error": "it broke",
        "error_length": 8,
        "model": "model",
        "sop": None,
        "initial_data": {"text": '{"items": 3}', "length": 12},
        "metadata": None,
        "parent": {"id": "parent", "name": "First", "result": "failed", "exists": True},
        "reruns": [
            {"id": "rerun", "name": "Order processing", "result": "completed", "exists": True}
        ],
        "reruns_total": 1,
        "others": {},
        "cut": {},
        "left_behind": [],
        "denied": [],
        "links": {
            "logs": f"{PREFIX}/runs/r-1/logs",
            "checkpoints": f"{PREFIX}/runs/r-1/checkpoints",
            "blobs": f"{PREFIX}/runs/r-1/blobs",
        },
    }


@every_shape
def test_the_lists_of_a_run_come_in_pages(host: HostWriter, caller: Caller) -> None:
    run = host.add_run()
    host.add_traces(run, checkpoints=3, writes=1, blobs=3, logs=3)
    total = 0 if host.shape.is_minimal else 3
    for name in ("logs", "checkpoints", "blobs"):
        first = caller.json(f"/runs/{run}/{name}", page_size=2)
        assert (first["total"], first["page"], first["page_size"]) == (total, 1, 2)
        assert len(first[name]) == min(total, 2)
        assert len(caller.json(f"/runs/{run}/{name}", page=2, page_size=2)[name]) == total % 2
        caller.json(f"/runs/{host.new_id(host.shape.thread_id)}/{name}", 404)


def test_log_lines_by_level_and_in_either_order(host: HostWriter, caller: Caller) -> None:
    host.add_run("r-1")
    for level, message in (("INFO", "a"), ("ERROR", "b"), ("DEBUG", "c")):
        host.execute(
            "INSERT INTO logs (thread_id, level, message, created_at) VALUES ('r-1', %s, %s, %s)",
            level,
            message,
            LONG_AGO,
        )
    lines = caller.json("/runs/r-1/logs", newest_first=False)["logs"]
    assert lines[0] == {
        "time": "2025-01-01T12:00:00Z",
        "level": "INFO",
        "message": "a",
        "message_length": 1,
        "others": {},
        "cut": {},
        "key": '["1"]',
    }
    assert [line["message"] for line in lines] == ["a", "b", "c"]
    some = caller.json("/runs/r-1/logs", level=["DEBUG", "INFO"])
    assert [line["message"] for line in some["logs"]] == ["c", "a"]
    assert caller.json("/runs/r-1/logs", level="\0")["total"] == 0


def test_a_long_text_says_its_length_and_can_be_had_whole(host: HostWriter, caller: Caller) -> None:
    text = "Traceback:\n" + "x" * 38_000 + "\nTimeoutError: é"
    host.add_run("a/b", error_message=text, sop=text)
    facts = caller.json("/runs/a%2Fb")
    assert facts["error_length"] == len(text) == 38_027
    assert facts["cut"] == {"error_message": 38_027, "sop": 38_027}
    assert facts["error"] == f"{text[:10_000]}\n… 18,027 characters left out …\n{text[-10_000:]}"
    for column in ("error_message", "sop"):
        assert caller.json(f"/runs/a%2Fb/text/{column}") == {"text": text, "length": 38_027}
    assert caller.json("/runs/a%2Fb/text/llm_model") == {"text": None, "length": 0}
    assert "no column" in caller.json("/runs/a%2Fb/text/password_hash", 404)["detail"]
    caller.json("/runs/none/text/sop", 404)


def test_a_long_log_line_says_its_length_and_can_be_had_whole(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    host.execute("ALTER TABLE logs ADD payload text")
    caller = open_caller()
    host.add_run("r-1")
    text = "first\n" + "x" * 20_000 + "\nlast"
    host.execute(
        "INSERT INTO logs (thread_id, message, payload) VALUES ('r-1', %s, %s), ('r-1', NULL, '')",
        text,
        text * 2,
    )
    short, long = caller.json("/runs/r-1/logs")["logs"]
    assert (short["message"], short["message_length"], short["cut"]) == (None, None, {})
    assert long["message_length"] == len(text)
    assert long["cut"] == {"payload": 2 * len(text)}
    assert long["message"].endswith("x\nlast")
    assert "\n… 10,011 characters left out …\n" in long["message"]
    line = caller.json("/runs/r-1/logs/line", key=long["key"])
    assert (line["message"], line["others"], line["cut"]) == (text, {"payload": text * 2}, {})
    for key in ("", "1", '["99"]', "\0"):
        caller.json("/runs/r-1/logs/line", 404, key=key)
    caller.json("/runs/none/logs/line", 404, key=long["key"])
    caller.json("/runs/r-1/logs/line", 422)
    caller.json("/runs/r-1/logs/line", 422, key=long["key"], table="users")
    caller.json("/runs/r-1/logs/line", 404, key=long["key"], table="thread_logs")


def test_either_log_table_is_read_where_the_host_has_two(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    host.execute("CREATE TABLE thread_logs (LIKE logs INCLUDING ALL)")
    host.add_run("r-1")
    for table in host.shape.logs, "thread_logs":
        host.execute(f"INSERT INTO {table} (thread_id, message) VALUES ('r-1', 'in {table}')")  # noqa: S608
    caller = open_caller()
    for query, table in (
        ("", "logs"),
        ("?table=logs", "logs"),
        ("?table=thread_logs", "thread_logs"),
    ):
        (line,) = caller.client.get(f"/runs/r-1/logs{query}").json()["logs"]
        assert line["message"] == f"in {table}"
    caller.json("/runs/r-1/logs", 422, table="users")


def test_a_checkpoint_is_opened_and_its_values_only_measured(
    host: HostWriter, caller: Caller
) -> None:
    host.add_run("r-1")
    host.add_traces("r-1", checkpoints=1, writes=1, blobs=1)
    (line,) = caller.json("/runs/r-1/checkpoints")["checkpoints"]
    opened = caller.json(f"/runs/r-1/checkpoints/{line['id']}")
    assert opened["state"] == {"text": '{"ts": "2025-01-01"}', "length": 20}
    assert opened["metadata"]["text"] == '{"step": 1}'
    (written,) = opened["written"]
    assert (written["channel"], written["bytes"]) == ("state", 3)
    (blob,) = caller.json("/runs/r-1/blobs")["blobs"]
    assert blob == {
        "channel": "state", "namespace": "", "version": "1", "type": "msgpack", "bytes": 6,
    }  # fmt: skip
    for path in ("/runs/r-1/checkpoints/none", "/runs/none/checkpoints/c1"):
        caller.json(path, 404)
    caller.json("/runs/r-1/checkpoints/c1", 404, namespace="another")


def test_an_id_may_be_any_text(host: HostWriter, caller: Caller) -> None:
    host.add_run("a")
    for run in (
        "a/b", "a/logs", "a/checkpoints/c1", "a%2Fb", "a%2flogs", "/", "/a", "a/", "..", "a b",
        "a?b=c", "a#b", "%", "%zz", "a\nb", "é", "🚚", "a;b", "a+b", "a:b", '"', "\\", "<a>",
        "logs",
    ):  # fmt: skip
        host.add_run(run)
        host.add_traces(run, checkpoints=1, logs=5)
        path = f"/runs/{quote(run, safe='')}".replace("/..", "/%2E%2E")
        facts = caller.json(path)
        assert facts["id"] == run
        if run != "..":  # a client takes that for a step up before it sends anything
            for name, link in facts["links"].items():
                (answer,) = [caller.json(link.removeprefix(PREFIX))]
                assert answer["total"] == {"logs": 5, "checkpoints": 1, "blobs": 2}[name], link
        assert caller.delete(run) == {"deleted_count": 1, "failed": []}, run
        # So the next one finds none but “a” beside it.
        assert host.is_gone(run), run
        assert not host.is_gone("a"), run


def test_a_plain_slash_is_part_of_an_id_too(host: HostWriter, caller: Caller) -> None:
    host.add_run("a/b")
    assert caller.json("/runs/a/b")["id"] == "a/b"
    assert caller.json("/runs/a/b/logs")["total"] == 0


def test_an_id_that_nothing_has_is_not_found(caller: Caller) -> None:
    for run in ("", "%00", "a%00b", "%ff", "none", "none/", "%F0%9F", "%ED%A0%80"):
        paths = [f"/runs/{run}{part}" for part in ("", "/logs", "/checkpoints", "/blobs")]
        answers = {path: caller.json(path, 404) for path in paths}
        assert answers == {path: {"detail": "Run not found"} for path in paths}


def test_orphan_traces_are_a_run_without_a_row(host: HostWriter, caller: Caller) -> None:
    host.add_traces("ghost")
    facts = caller.json("/runs/ghost")
    assert (facts["has_row"], facts["result"]) == (False, None)
    plan = caller.send("POST", "/deletion-plan", {"thread_ids": ["ghost"]})
    assert (plan["orphans"], plan["total"]) == (["ghost"], 1)


def test_a_plan_says_what_would_go_and_changes_nothing(
    host: HostWriter, open_caller: OpenCaller
) -> None:
    host.execute("CREATE TABLE billing (thread_id text)")
    caller = open_caller()
    one, two, three = host.add_runs(3)
    host.execute("UPDATE run_metadata SET status = 'Running' WHERE thread_id = %s", two)
    host.execute("UPDATE run_metadata SET status = NULL WHERE thread_id = %s", three)
    host.execute("INSERT INTO billing VALUES (%s)", one)
    before = host.contents()
    body = {"thread_ids": [three, "none", two, one, one]}
    plan = caller.send("POST", "/deletion-plan", body | {"include_running": False})
    tables = plan.pop("tables")
    wanted = {
        "total": 2,
        "by_status": {"": 1, "completed": 1},
        "running_left_out": [two],
        "unknown_statuses": [{"status": None, "runs": 1}],
        "missing": ["none"],
        "orphans": [],
        "held": [],
        "kept": [],
        "left_behind": [{"table": "billing", "rows": 1, "denied": None}],
        "unseen": [],
    }
    assert {key: plan[key] for key in wanted} == wanted
    assert plan["plan_id"]
    assert {one["table"]: one["rows"] for one in tables} == dict.fromkeys(host.shape.tables, 2)
    whole = caller.send("POST", "/deletion-plan", body)
    assert whole["by_status"] == {"": 1, "Running": 1, "completed": 1}
    assert (whole["total"], whole["running_left_out"]) == (3, [])
    assert host.contents() == before


def test_a_plan_says_what_the_hosts_keys_keep_and_the_answer_what_they_cleared(
    host: HostWriter, caller: Caller
) -> None:
    host.execute(
        "CREATE TABLE bills (run text REFERENCES run_metadata);"
        "CREATE TABLE invoices (run text REFERENCES run_metadata ON DELETE SET NULL);"
        "CREATE TABLE notes (run text REFERENCES run_metadata ON DELETE CASCADE)"
    )
    free, held = host.add_runs(2)
    host.execute("INSERT INTO bills VALUES (%s)", held)
    host.execute("INSERT INTO invoices VALUES (%s), (%s)", free, free)
    host.execute("INSERT INTO notes VALUES (%s)", free)
    plan = caller.send("POST", "/deletion-plan", {"thread_ids": [free, held]})
    assert plan["total"] == 1
    assert [one["thread_id"] for one in plan["held"]] == [held]
    assert "RUNMANAGER_TRACE_TABLES" in plan["held"][0]["reason"]
    assert plan["kept"] == [{"table": "invoices", "references": 2, "denied": None}]
    assert {one["table"]: one["rows"] for one in plan["tables"]}["notes"] == 1
    answer = caller.delete(free, held)
    assert answer["failed"] == [{"thread_id": held, "error": plan["held"][0]["reason"]}]
    assert answer["remarks"] == ["2 references are cleared in “invoices”, whose rows are kept."]


def test_health_needs_no_token_and_says_nothing_else(caller: Caller) -> None:
    caller.client.headers.pop("Authorization")
    assert caller.client.get("/health").json() == {"status": "ok", "database": True}
