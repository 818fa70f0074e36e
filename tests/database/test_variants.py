"""What hosts do with their tables, each of which Run Manager takes as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runmanager.filters import RunFilter
from runmanager.paging import PageRequest
from tests.operations import delete, deleted
from tests.roles import DELETER

if TYPE_CHECKING:
    from runmanager.records import Actor
    from tests.conftest import OpenManager
    from tests.hosts import HostWriter
    from tests.roles import Roles

# A host's statements, run on the tables as they are, before anything is in them.
VARIANTS = {
    "runs in partitions by hash": (
        "ALTER TABLE run_metadata RENAME TO old;"
        "CREATE TABLE run_metadata (LIKE old INCLUDING ALL) PARTITION BY HASH (thread_id);"
        "CREATE TABLE runs_0 PARTITION OF run_metadata FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE runs_1 PARTITION OF run_metadata FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "DROP TABLE old"
    ),
    "logs in partitions by time": (
        "DROP TABLE logs; CREATE TABLE logs (id bigint GENERATED ALWAYS AS IDENTITY,"
        " thread_id text, level text, message text, created_at timestamptz)"
        " PARTITION BY RANGE (created_at);"
        "CREATE TABLE logs_old PARTITION OF logs FOR VALUES FROM (MINVALUE) TO ('2020-01-01');"
        "CREATE TABLE logs_new PARTITION OF logs DEFAULT"
    ),
    "columns that are computed": (
        "ALTER TABLE run_metadata ADD search text GENERATED ALWAYS AS"
        " (coalesce(run_name, '') || ' ' || thread_id) STORED;"
        "ALTER TABLE logs ADD length int GENERATED ALWAYS AS (length(message)) STORED"
    ),
    "a status of few words": (
        "CREATE TYPE state AS ENUM ('completed', 'running', 'failed');"
        "ALTER TABLE run_metadata ALTER status TYPE state USING status::state"
    ),
    "uuids that runs refer to as text": (
        "ALTER TABLE workspaces ALTER id TYPE uuid USING gen_random_uuid();"
        "ALTER TABLE checkpoints ALTER checkpoint_id TYPE varchar(99)"
    ),
    "times without a zone": "ALTER TABLE run_metadata ALTER created_at TYPE timestamp",
    "an audit of what is deleted": (
        "CREATE TABLE audit (what text, at timestamptz DEFAULT now());"
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO audit (what) VALUES (old.thread_id); RETURN old; END $$;"
        "CREATE TRIGGER note AFTER DELETE ON run_metadata FOR EACH ROW EXECUTE FUNCTION note();"
        "CREATE TRIGGER note BEFORE DELETE ON checkpoints FOR EACH ROW EXECUTE FUNCTION note()"
    ),
    "tables in two schemas": (
        "CREATE SCHEMA saver; ALTER TABLE checkpoints SET SCHEMA saver;"
        "ALTER TABLE checkpoint_blobs SET SCHEMA saver;"
        "ALTER TABLE checkpoint_writes SET SCHEMA saver"
    ),
    "keys that are checked at the end": (
        "ALTER TABLE logs ADD FOREIGN KEY (thread_id) REFERENCES run_metadata"
        " DEFERRABLE INITIALLY DEFERRED"
    ),
    "names that need quotes": (
        'CREATE TABLE "Run Notes" ("Id" int PRIMARY KEY, "threadId" text REFERENCES run_metadata'
        ' ON DELETE CASCADE); CREATE TABLE "a.b:c%d" ("note" int REFERENCES "Run Notes"'
        " ON DELETE CASCADE)"
    ),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_runs_are_listed_opened_planned_and_deleted(
    host: HostWriter, open_manager: OpenManager, admin: Actor, roles: Roles, variant: str
) -> None:
    """By the role of docs/own-database.md, with the rights that a variant's own tables ask for."""
    host.execute(VARIANTS[variant])
    path = "public, saver" if variant == "tables in two schemas" else "public"
    url = host.url.update_query_dict({"options": f"-csearch_path={path.replace(' ', '')}"})
    host.execute(f"SET search_path = {path}")
    role = roles.of_the_page(DELETER)
    host.execute(f"GRANT INSERT ON ALL TABLES IN SCHEMA public TO {role}")
    if variant == "tables in two schemas":
        host.execute(f"GRANT USAGE ON SCHEMA saver TO {role}")
    if variant == "names that need quotes":
        host.execute(f'GRANT SELECT ON "Run Notes", "a.b:c%d" TO {role}')
    gone, stays = host.add_runs(2, user="kate")
    if variant == "names that need quotes":
        host.execute('INSERT INTO "Run Notes" VALUES (1, %s)', gone)
        host.execute('INSERT INTO "a.b:c%d" VALUES (1), (1)')
    manager = open_manager(url.set(username=role))
    listed = manager.finding.list_runs(admin, RunFilter(username="kate"), PageRequest())
    assert {run.thread_id for run in listed.items} == {gone, stays}
    assert manager.reviewing.run(admin, gone).has_row
    assert manager.reviewing.checkpoints(admin, gone, PageRequest()).total == 1
    plan = manager.deleting.plan(admin, [gone])
    receipt = delete(manager, admin, [gone], plan=plan)
    assert deleted(receipt) == {gone}
    assert dict(receipt.tables) == {one.table: one.rows for one in plan.tables}
    assert receipt.also_gone == ()
    assert host.is_gone(gone)
    assert all(host.counts(stays).values())
    if variant == "names that need quotes":
        # A dot in a name would seem to part a schema from a table.
        assert dict(receipt.tables)['"a.b:c%d"'] == 2
