"""``python -m runmanager check``: what it says of a database is so, and its SQL mends that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from runmanager.advice.checking import check_database
from tests.conftest import every_shape
from tests.database.test_views import RENAMED, by_views
from tests.processes import address
from tests.roles import DELETER, READER

if TYPE_CHECKING:
    from tests.hosts import HostWriter
    from tests.roles import Roles

MESSAGES = """
    CREATE TABLE messages (
        id int PRIMARY KEY, thread_id {thread_id} REFERENCES run_metadata ON DELETE CASCADE);
    CREATE TABLE tool_calls (
        id int PRIMARY KEY, message int REFERENCES messages ON DELETE CASCADE);
"""
UNION = """
    ALTER TABLE run_metadata RENAME TO thread;
    CREATE SCHEMA runmanager;
    CREATE VIEW runmanager.run_metadata AS TABLE thread UNION ALL TABLE thread;
"""
CURE = "SQL THAT WOULD MEND THIS"


@dataclass(frozen=True)
class Checked:
    """What was printed, by heading, and whether all is well."""

    parts: dict[str, list[str]]
    is_well: bool

    def tables(self, heading: str) -> dict[str, str]:
        """What is said of each table below a heading."""
        lines = self.parts.get(heading, [])
        return dict(re.split(": | ", line, maxsplit=1) for line in lines)

    @property
    def sql(self) -> str:
        """The statements to paste, as they stand."""
        return "\n".join(self.parts[CURE])


def check(url: sa.URL, **settings: str) -> Checked:
    text, is_well = check_database({"DATABASE_URL": address(url)} | settings)
    parts: dict[str, list[str]] = {}
    for block in text.removesuffix("\n").split("\n\n"):
        heading, *lines = block.split("\n")
        parts[heading] = []
        for line in lines:
            if line.startswith("    ") and heading != CURE:
                parts[heading][-1] += f" {line.strip()}"
            else:
                parts[heading].append(line if heading == CURE else line.strip())
    return Checked(parts, is_well)


def owned(host: HostWriter, roles: Roles) -> str:
    """A role that is no superuser and owns the host's tables."""
    owner = roles.bare()
    for table in (*host.shape.tables, "users", "workspaces"):
        host.execute(f"ALTER TABLE {table} OWNER TO {owner}")
    host.execute(f"ALTER SCHEMA {host.shape.schema} OWNER TO {owner}")
    return owner


def paste(host: HostWriter, found: Checked, who: str) -> None:
    host.execute(f"SET ROLE {who}")
    host.execute(found.sql)
    host.execute("RESET ROLE")


@every_shape
def test_a_host_that_lacks_nothing_is_well_and_its_tables_are_named(host: HostWriter) -> None:
    found = check(host.url)
    assert found.is_well
    assert set(found.tables("GOES WITH A RUN")) == set(host.shape.tables)
    named = {line.partition(":")[0] for line in found.parts["FOUND"]} - {"Not on the search_path"}
    others = set() if host.shape.is_minimal else {"workspaces"}
    assert named == {*host.shape.tables, "users"} | others
    assert found.parts["PEOPLE"] == ["Active admins: 1"]
    assert found.parts["RESULT"][0].startswith("All is well")
    assert not {"WHAT IS LACKING", CURE, "IS LEFT BEHIND"} & set(found.parts)


def test_it_names_the_database_the_role_and_where_it_looks(host: HostWriter, roles: Roles) -> None:
    name = roles.of_the_page(DELETER)
    (line,) = check(roles.url(name)).parts["DATABASE"]
    assert f"“{host.url.database}”" in line
    assert f"role “{name}”" in line
    assert line.endswith('search_path "$user", public')


@pytest.mark.parametrize("shape", ["minimal"], indirect=True)
def test_tables_that_are_not_there_are_named(host: HostWriter) -> None:
    absent = [one for one in check(host.url).parts["FOUND"] if one.startswith("Not on the")]
    assert absent == [
        "Not on the search_path: checkpoint_blobs, checkpoint_writes, checkpoints, workspaces",
        "Not on the search_path: a table of logs (logs or thread_logs)",
    ]


@every_shape
def test_what_cascades_from_a_cascade_goes_with_a_run(host: HostWriter) -> None:
    host.execute(MESSAGES.format(thread_id=host.shape.thread_id))
    found = check(host.url)
    going = found.tables("GOES WITH A RUN")
    assert going["messages"] == "by its foreign key (thread_id)"
    assert going["tool_calls"] == "with the row of messages that it refers to (message)"
    assert found.is_well


@pytest.mark.parametrize("rule", ["SET NULL", "SET DEFAULT"])
def test_what_is_cleared_is_kept(host: HostWriter, rule: str) -> None:
    host.execute(f"CREATE TABLE bills (run text REFERENCES run_metadata ON DELETE {rule})")
    found = check(host.url)
    kept = found.parts["IS KEPT, ITS REFERENCE CLEARED"]
    assert kept == ["bills (run) refers to run_metadata"]
    assert "bills" not in found.tables("GOES WITH A RUN")
    assert "IS KEPT, AND HOLDS ITS RUN" not in found.parts


@pytest.mark.parametrize("rule", ["RESTRICT", "NO ACTION"])
def test_what_holds_a_run_is_named_with_the_setting_that_lets_it_go(
    host: HostWriter, rule: str
) -> None:
    host.execute(f"CREATE TABLE bills (run text REFERENCES run_metadata ON DELETE {rule})")
    found = check(host.url)
    (line,) = found.parts["IS KEPT, AND HOLDS ITS RUN"]
    assert line == (
        "bills (run) refers to run_metadata; with bills in RUNMANAGER_TRACE_TABLES such rows "
        "would go"
    )
    assert "bills" not in found.tables("GOES WITH A RUN")
    followed = check(host.url, RUNMANAGER_TRACE_TABLES="bills")
    assert "IS KEPT, AND HOLDS ITS RUN" not in followed.parts
    assert followed.tables("GOES WITH A RUN")["bills"] == (
        "with the row of run_metadata that it refers to (run), though that foreign key would "
        "keep it"
    )


def test_a_run_that_another_refers_to_is_told(host: HostWriter) -> None:
    host.execute(
        "ALTER TABLE run_metadata ADD FOREIGN KEY (parent_thread_id) REFERENCES run_metadata"
    )
    (line,) = check(host.url).parts["IS KEPT, AND HOLDS ITS RUN"]
    assert line == (
        "run_metadata (parent_thread_id) refers to run_metadata: a run goes only together with "
        "those that refer to it"
    )


def test_what_is_left_behind_is_named_with_the_setting_that_lets_it_go(host: HostWriter) -> None:
    host.execute("CREATE TABLE billing (thread_id text)")
    found = check(host.url)
    assert found.tables("IS LEFT BEHIND") == {
        "billing": "has a thread_id and no foreign key by which its rows go; named in "
        "RUNMANAGER_TRACE_TABLES, they would"
    }
    assert found.is_well
    followed = check(host.url, RUNMANAGER_TRACE_TABLES="billing")
    assert "IS LEFT BEHIND" not in followed.parts
    assert followed.tables("GOES WITH A RUN")["billing"] == "by thread_id"


def test_where_row_security_may_hide_rows_the_owner_s_policy_mends_it(
    host: HostWriter, roles: Roles
) -> None:
    url, owner = roles.url(roles.of_the_page(DELETER)), owned(host, roles)
    host.execute(
        "ALTER TABLE checkpoints ENABLE ROW LEVEL SECURITY; ALTER TABLE logs ENABLE ROW LEVEL"
        " SECURITY; CREATE POLICY one_level ON logs USING (level = 'INFO')"
    )
    found = check(url)
    assert not found.is_well
    assert [re.findall("“(.*?)”", line) for line in found.parts["WHAT IS LACKING"]] == [
        ["checkpoints"],
        ["logs"],
    ]
    assert found.parts["RESULT"][0].endswith("but deletes nothing while this is lacking.")
    paste(host, found, owner)
    assert check(url).is_well


def test_where_a_restrictive_policy_may_hide_rows_a_superuser_s_statement_mends_it(
    host: HostWriter, roles: Roles
) -> None:
    url = roles.url(roles.of_the_page(DELETER))
    host.execute(
        "ALTER TABLE logs ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON logs USING (true);"
        "CREATE POLICY one_level ON logs AS RESTRICTIVE USING (level = 'INFO')"
    )
    found = check(url)
    assert (found.is_well, found.parts[CURE][0]) == (False, "-- As a superuser:")
    host.execute(found.sql)
    assert check(url).is_well


@every_shape
def test_the_grants_that_a_reader_lacks_are_printed_to_paste(
    host: HostWriter, roles: Roles
) -> None:
    url = roles.url(roles.of_the_page(READER))
    found = check(url)
    assert not found.is_well
    assert found.parts["WHAT IS LACKING"] == ["The database role may not delete runs"]
    assert found.parts[CURE][0] == "-- As the owner:"
    host.execute(found.sql)
    assert check(url).is_well


@pytest.mark.parametrize("shape", ["text", "uuid", "integer", "schema"], indirect=True)
@pytest.mark.parametrize("ddl", ["", MESSAGES])
def test_a_role_without_any_right_needs_what_is_printed_and_no_more(
    host: HostWriter, roles: Roles, ddl: str
) -> None:
    owner = owned(host, roles)
    host.execute(f"SET ROLE {owner}")
    host.execute(ddl.format(thread_id=host.shape.thread_id) or "SELECT 1")
    host.execute("RESET ROLE")
    url = roles.url(roles.bare())
    found = check(url)
    assert not found.is_well
    assert "may not" in found.parts["RUN MANAGER CANNOT START"][0]
    paste(host, found, owner)
    if host.shape.schema != "public":
        # What a schema holds is seen by those only who may use it.
        assert "USAGE ON SCHEMA app" in found.sql
        found = check(url)
        assert not found.is_well
        paste(host, found, owner)
    assert check(url).is_well


def test_a_table_that_may_not_be_counted_is_lacking_though_runs_can_be_deleted(
    host: HostWriter, roles: Roles
) -> None:
    url = roles.url(roles.of_the_page(DELETER))
    host.execute("CREATE TABLE billing (thread_id text)")
    found = check(url)
    assert not found.is_well
    assert found.parts["WHAT IS LACKING"] == ["The database role may not read “billing”"]
    assert found.parts["RESULT"] == ["Run Manager starts here, but something is lacking."]
    host.execute(found.sql)
    assert check(url).is_well


def test_what_is_behind_a_view_is_named_and_followed(host: HostWriter) -> None:
    host.execute(MESSAGES.format(thread_id="text"))
    found = check(by_views(host))
    assert found.tables("FOUND")["run_metadata"] == "view of public.thread, never analysed"
    assert "thread" not in found.tables("FOUND")
    assert {"messages", "tool_calls"} < set(found.tables("GOES WITH A RUN"))
    assert "IS LEFT BEHIND" not in found.parts
    assert found.is_well


def test_a_view_that_nothing_is_deleted_through_is_lacking(host: HostWriter) -> None:
    found = check(by_views(host, UNION))
    assert not found.is_well
    (line,) = found.parts["WHAT IS LACKING"]
    assert "through the view “run_metadata”" in line
    assert "UNION" in line
    # What is behind it are the runs.
    assert "IS LEFT BEHIND" not in found.parts
    assert CURE not in found.parts


def test_an_id_that_a_view_casts_is_named(host: HostWriter) -> None:
    view = RENAMED.replace("user_id,", "user_id::varchar AS user_id,")
    found = check(by_views(host, view))
    assert (
        "run_metadata.user_id is public.thread.user_id cast to character varying"
        in (found.parts["FOUND"])
    )
    assert found.is_well


def test_the_zone_of_times_without_one_is_told(host: HostWriter) -> None:
    host.execute("ALTER TABLE run_metadata ALTER created_at TYPE timestamp")
    found = check(host.url, RUNMANAGER_TIMESTAMP_ZONE="Europe/Berlin")
    (line,) = [one for one in found.parts["FOUND"] if "created_at" in one]
    assert "timestamp without time zone" in line
    assert "Europe/Berlin" in line


def test_users_without_passwords_are_told_and_nothing_is_lacking(host: HostWriter) -> None:
    host.execute("ALTER TABLE users DROP password_hash")
    found = check(host.url)
    assert found.parts["PEOPLE"][1].startswith("Users have no password_hash: people sign in by")
    assert found.is_well


def test_admins_whose_hash_is_unknown_are_counted(host: HostWriter) -> None:
    host.add_user("eve", is_admin=True)
    host.execute("UPDATE users SET password_hash = 'md5$abc' WHERE username = 'eve'")
    told = check(host.url).parts["PEOPLE"]
    assert told[0] == "Active admins: 2"
    assert told[1].endswith("as their hash is unknown: 1")


def test_where_nobody_is_an_admin_nobody_can_sign_in(host: HostWriter) -> None:
    host.execute("UPDATE users SET is_active = false")
    found = check(host.url)
    assert not found.is_well
    assert "nobody can sign in" in found.parts["WHAT IS LACKING"][0]


def test_what_a_start_lacks_is_said_with_the_tables_that_are_there(host: HostWriter) -> None:
    host.execute("ALTER TABLE users RENAME TO people")
    found = check(host.url)
    assert not found.is_well
    assert "no table “users”" in found.parts["RUN MANAGER CANNOT START"][0]
    (names,) = found.parts["VISIBLE TABLES AND VIEWS"]
    assert {"people", "run_metadata", "logs"} <= set(names.split(", "))


def test_where_nothing_is_found_the_search_path_is_named(host: HostWriter) -> None:
    found = check(host.url.update_query_dict({"options": "-csearch_path=elsewhere"}))
    assert not found.is_well
    assert found.parts["DATABASE"][0].endswith("search_path elsewhere")
    assert found.parts["VISIBLE TABLES AND VIEWS"] == ["None: is the search_path right?"]


def test_an_index_that_is_needed_is_named(host: HostWriter) -> None:
    wanting = check(host.url)
    assert any("rows of its runs in “logs”" in one for one in wanting.parts["INDEXES WORTH HAVING"])
    assert wanting.is_well
    host.execute("CREATE INDEX ON logs (thread_id)")
    assert not any("“logs”" in one for one in check(host.url).parts["INDEXES WORTH HAVING"])


def test_a_name_that_moves_the_cursor_is_written_out(host: HostWriter) -> None:
    host.connection.execute('CREATE TABLE "bad\x1b[2J\nname" (thread_id text)')
    text, _is_well = check_database({"DATABASE_URL": address(host.url)})
    assert r"bad\x1b[2J\nname: has a thread_id" in " ".join(text.split())
    assert "\x1b" not in text


@pytest.mark.parametrize("ddl", ["", "DROP TABLE users"])
def test_all_is_read_in_a_transaction_that_may_not_write(host: HostWriter, ddl: str) -> None:
    host.add_runs(2)
    host.execute(ddl or "SELECT 1")
    before, relations = (
        host.contents(),
        host.execute("SELECT oid, relname FROM pg_class ORDER BY 1"),
    )
    may_write = set()

    def note(connection: sa.Connection, *_event: Any) -> None:
        driver: Any = connection.connection.dbapi_connection
        may_write.add(not driver.read_only)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        check(host.url)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert may_write == {False}
    assert host.contents() == before
    assert host.execute("SELECT oid, relname FROM pg_class ORDER BY 1") == relations
