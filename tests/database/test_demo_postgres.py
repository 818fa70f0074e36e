"""The embedded PostgreSQL: it starts anywhere, is shared, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from runmanager.demo import places
from runmanager.demo.postgres import EmbeddedPostgres, find_binaries
from runmanager.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
QUICK = {"fsync": "off"}
CLIENT = """
import sys, time
from pathlib import Path
from runmanager.demo.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"}).start()
print(server.url().query["host"], flush=True)
time.sleep(60)
"""


def connect(server: EmbeddedPostgres) -> psycopg.Connection:
    address = server.url().set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True)


def ask(server: EmbeddedPostgres, question: str) -> str:
    with contextlib.closing(connect(server)) as connection:
        row = connection.execute(question.encode()).fetchone()
    assert row
    return str(row[0])


def keep_a_row(server: EmbeddedPostgres) -> None:
    with contextlib.closing(connect(server)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")


def postmaster_of(server: EmbeddedPostgres) -> int:
    return int((server.base / "data" / "postmaster.pid").read_text().split()[0])


def keeper_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def await_end(pid: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs after {seconds} s"
        time.sleep(0.02)


@contextlib.contextmanager
def client_process(directory: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", CLIENT, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as client:  # noqa: S603  # ours
        try:
            yield client
        finally:
            client.kill()


def first_line(client: subprocess.Popen[str]) -> str:
    assert client.stdout
    return client.stdout.readline().strip()


def test_starts_answers_and_stops_after_its_last_client(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, settings=QUICK) as first:
        pid = postmaster_of(first)
        with EmbeddedPostgres(tmp_path) as second:
            assert second.url() == first.url()
            assert postmaster_of(second) == pid
        assert ask(first, "SELECT current_user") == "runmanager"
    await_end(pid)


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, settings=QUICK).start()
    assert server.start() is server
    server.close()
    server.close()


def test_listens_in_a_private_directory_only(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, settings={**QUICK, "listen_addresses": "*"}) as server:
        sockets = Path(str(server.url().query["host"]))
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert len(os.fsencode(sockets / ".s.PGSQL.5432")) < 104
        assert ask(server, "SHOW listen_addresses") == ""
        assert ask(server, "SHOW unix_socket_directories") == str(sockets)
        assert stat.S_IMODE((server.base / "data").stat().st_mode) == 0o700


def test_speaks_utf8_and_knows_its_letters(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, settings=QUICK) as server:
        assert ask(server, "SHOW server_encoding") == "UTF8"
        assert ask(server, "SELECT 'ÄÖ ЖУК' ILIKE 'äö жук'") == "True"


def test_settings_reach_the_server(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, settings={"max_connections": "23"}) as server:
        assert ask(server, "SHOW max_connections") == "23"


def test_a_second_start_is_quick_and_keeps_the_data(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, settings=QUICK) as server:
        keep_a_row(server)
        made = (server.base / "data" / "PG_VERSION").stat().st_mtime_ns
        pid, address = postmaster_of(server), server.url()
    await_end(pid)
    begun = time.monotonic()
    with EmbeddedPostgres(tmp_path, settings=QUICK) as server:
        assert time.monotonic() - begun < 3  # 0.1 s on an idle machine; initdb alone takes longer
        assert (server.base / "data" / "PG_VERSION").stat().st_mtime_ns == made
        assert ask(server, "SELECT count(*) FROM kept") == "1"
        assert server.url() == address


@pytest.mark.parametrize(
    "name",
    ["with space", 'it\'s "quoted" $HOME `x` \\', "Größe 研究 🚀", "/".join(["long" * 40] * 7)],
    ids=["spaces", "quotes", "non-ascii", "very long"],
)
def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    with EmbeddedPostgres(tmp_path / name, settings=QUICK) as server:
        assert ask(server, "SELECT 1") == "1"
    assert (tmp_path / name).is_dir()


def test_two_processes_at_once_share_one_server(tmp_path: Path) -> None:
    with client_process(tmp_path) as one, client_process(tmp_path) as two:
        assert first_line(one) == first_line(two) != ""
        with EmbeddedPostgres(tmp_path) as server:
            pid = postmaster_of(server)
            one.kill()
            assert ask(server, "SELECT 1") == "1"
        two.kill()
        await_end(pid)


def test_killing_the_only_client_stops_the_server_in_good_order(tmp_path: Path) -> None:
    with client_process(tmp_path) as client:
        assert first_line(client)
        pid = postmaster_of(server := EmbeddedPostgres(tmp_path, settings=QUICK))
        client.kill()
        await_end(pid)
    with server:
        assert ask(server, "SELECT 1") == "1"
        assert "was shut down at" in (server.base / "server.log").read_text()


@pytest.mark.parametrize("moment", [0.0, 0.2, 0.45])
def test_killing_a_client_that_still_starts_leaves_no_server(tmp_path: Path, moment: float) -> None:
    with client_process(tmp_path) as client:
        base = EmbeddedPostgres(tmp_path).base
        while not (base / "running").exists():
            time.sleep(0.005)
        time.sleep(moment)
        client.kill()
    with EmbeddedPostgres(tmp_path, settings=QUICK) as server:
        assert ask(server, "SELECT 1") == "1"
        pid = postmaster_of(server)
    await_end(pid)


def test_starts_again_after_the_server_was_killed(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, settings=QUICK) as server:
        keep_a_row(server)
        os.kill(postmaster_of(server), signal.SIGKILL)
        server.start()
        assert ask(server, "SELECT count(*) FROM kept") == "1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_killing_client_and_keeper_leaves_no_server(tmp_path: Path) -> None:
    with client_process(tmp_path) as client:
        assert first_line(client)
        server = EmbeddedPostgres(tmp_path, settings=QUICK)
        pid = postmaster_of(server)
        os.kill(keeper_of(pid), signal.SIGKILL)
        client.kill()
        await_end(pid)
    with server:
        assert ask(server, "SELECT 1") == "1"


def test_a_stale_pid_file_naming_a_living_process_is_no_obstacle(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, settings=QUICK) as server:
        pid_file = server.base / "data" / "postmaster.pid"
        pid, lines = postmaster_of(server), pid_file.read_text().split("\n")
    await_end(pid)
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    with EmbeddedPostgres(tmp_path, settings=QUICK) as server:
        assert ask(server, "SELECT 1") == "1"


def test_a_half_made_data_directory_is_never_picked_up(tmp_path: Path) -> None:
    base = EmbeddedPostgres(tmp_path).base
    for half_made in ("data", "data.new"):
        (base / half_made / "base").mkdir(parents=True)
        (base / half_made / "postgresql.conf").touch()
    with EmbeddedPostgres(tmp_path, settings=QUICK) as server:
        assert ask(server, "SELECT 1") == "1"


def test_a_forked_child_is_no_client(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, settings=QUICK) as server:
        pid = postmaster_of(server)
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
    try:
        await_end(pid)
    finally:
        child.kill()
        child.join()
        child.close()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="unrecognized configuration parameter"):
        EmbeddedPostgres(tmp_path, settings={"no_such_setting": "1"}).start()


def test_a_directory_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="cannot keep its files"):
        EmbeddedPostgres(tmp_path / "file" / "demo").start()


def test_has_no_address_before_the_start(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="not been started"):
        EmbeddedPostgres(tmp_path).url()


def test_the_programs_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_binaries()
    monkeypatch.setenv("RUNMANAGER_PG_BINDIR", str(found))
    assert find_binaries() == found
    monkeypatch.setenv("RUNMANAGER_PG_BINDIR", str(tmp_path))
    with pytest.raises(DemoError, match="RUNMANAGER_PG_BINDIR"):
        find_binaries()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root serves from elsewhere")
def test_deleting_a_directory_closed_to_the_server_resets_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "demo", settings=QUICK) as server:
        base = server.base
        assert tmp_path not in base.parents
    with (base / "running").open() as running:
        fcntl.flock(running, fcntl.LOCK_EX)  # waits for the server and its keeper
    (closed / "demo").rmdir()
    assert EmbeddedPostgres(closed / "demo").base == base
    assert not (base / "data").exists()


def test_a_home_that_another_process_is_deleting_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corner, demo = tmp_path / "corner", tmp_path / "no server\nlikes this"
    corner.mkdir()
    monkeypatch.setattr(places, "_corner", lambda: corner)
    home = places.home_for(demo)
    (home / "pg18" / "data").mkdir(parents=True)
    demo.rmdir()
    with (home / "pg18" / "running").open("w") as running, ThreadPoolExecutor() as pool:
        another = os.open(corner, os.O_RDONLY)
        for lock in (another, running.fileno()):
            fcntl.flock(lock, fcntl.LOCK_EX)
        taken = pool.submit(places.home_for, demo)
        with pytest.raises(TimeoutError):
            taken.result(timeout=0.3)
        shutil.rmtree(home)
        os.close(another)
        assert taken.result() == home
    assert [one.name for one in home.iterdir()] == ["origin"]
