"""docs/deploy.md: its environment is one that the process starts with, also below a path."""

from __future__ import annotations

import errno
import json
import re
import secrets
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runmanager import open_files
from runmanager.errors import SettingsError
from runmanager.settings import Settings
from tests.docs.reading import Document
from tests.processes import PYTHON_APP, ROOT, AppProcess, address, settings_for
from tests.sockets import Socket, cookie_of

if TYPE_CHECKING:
    from tests.hosts import HostWriter

PAGE = Document("docs/deploy.md")


# Of 10, as systemd counts.
MOST_EXPOSED = 2.0


def environment(block: str) -> dict[str, str]:
    """The variables of a block."""
    return dict(line.split("=", 1) for line in block.splitlines())


MAIN = environment(PAGE.block("ini", "DATABASE_URL="))
IN_FILES = environment(PAGE.block("ini", "DATABASE_URL_FILE="))
UNIT = PAGE.block("ini", "ExecStart=")
CREDENTIALS = dict(re.findall(r"^LoadCredential=(\w+):(.+)$", UNIT, re.M))
BELOW_A_PATH = environment(PAGE.block("ini", "BASE_URL_PATH"))


def test_what_is_to_be_replaced_is_refused_as_it_stands() -> None:
    # A key that stands in a document is no secret.
    for name in ("RUNMANAGER_COOKIE_KEY", "RUNMANAGER_JWT_SECRET"):
        keys = {"RUNMANAGER_COOKIE_KEY": "k" * 32} | {name: MAIN[name]}
        with pytest.raises(SettingsError, match=name):
            Settings.from_environment(MAIN | keys)


def test_every_secret_of_the_environment_may_stand_in_one_of_the_files() -> None:
    (commands,) = (block for block in PAGE.blocks("sh") if "install -d" in block)
    written = set(re.findall(r"> (\S+)$", commands, re.M))
    secrets_of_main = MAIN.keys() - {"RUNMANAGER_TRUSTED_PROXIES", "STREAMLIT_SERVER_ADDRESS"}
    assert CREDENTIALS.keys() == secrets_of_main
    assert {name.removesuffix("_FILE") for name in IN_FILES} == secrets_of_main
    assert set(CREDENTIALS.values()) == set(IN_FILES.values()) == written


def test_the_unit_leaves_little_exposed_and_the_page_says_how_little(tmp_path: Path) -> None:
    assert shutil.which("systemd-analyze"), (
        "No systemd-analyze: install systemd (Debian: apt install systemd); it need not run."
    )
    unit = tmp_path / "run-manager@8501.service"
    unit.write_text(UNIT, encoding="utf-8")
    said = subprocess.run(  # noqa: S603  # systemd's own program
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],  # noqa: S607
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # A line that systemd does not know is passed over, and would protect nothing.
    assert said.stderr == ""
    (exposure,) = re.findall(r"Overall exposure level for .*: ([\d.]+) ", said.stdout)
    assert float(exposure) <= MOST_EXPOSED, said.stdout
    assert f"{exposure} of 10" in PAGE.text


def test_the_process_works_with_what_the_unit_leaves_it(host: HostWriter, tmp_path: Path) -> None:
    unit = tmp_path / "unit"
    unit.write_text(UNIT, encoding="utf-8")
    run_id = host.add_run("seen-under-the-unit")
    settings = settings_for(host.url) | {"RUNMANAGER_STATE_DIR": str(tmp_path / "state")}
    confined = (sys.executable, "-m", "tests.confined", str(unit), *PYTHON_APP)
    app = AppProcess(tmp_path / "log", settings, confined)
    try:
        app.ready()
        status = Path(f"/proc/{app.process.pid}/status").read_text(encoding="utf-8")
        assert re.findall(r"^(?:NoNewPrivs|Seccomp|Seccomp_filters):\t(.+)$", status, re.M) == [
            "1", "2", "2",
        ]  # fmt: skip
        with Socket.connect(app.url, cookie_of(app.url, "ada")) as opened:
            opened.rerun()
            opened.settle()
            assert run_id in opened.said
    finally:
        app.stop()
    assert "Traceback" not in app.said


# What an intruder would try first, each with the number of its error or 0.
INTRUDER = """
import ctypes, mmap, os, socket
def tried(what):
    try:
        what()
    except OSError as error:
        return error.errno
    return 0
mapped = lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
libc = ctypes.CDLL(None, use_errno=True)
print(tried(mapped), tried(lambda: socket.socket(socket.AF_NETLINK)), end=" ")
print(libc.mount(b"none", b"/", None, 0, None) and ctypes.get_errno(), end=" ")
print(tried(lambda: os.setpriority(os.PRIO_PROCESS, 0, 5)), tried(socket.socket))
"""


def test_the_unit_refuses_what_an_intruder_would_try(tmp_path: Path) -> None:
    unit = tmp_path / "unit"
    unit.write_text(UNIT, encoding="utf-8")
    said = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-m", "tests.confined", str(unit), sys.executable, "-c", INTRUDER],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    family, permission = errno.EAFNOSUPPORT, errno.EPERM
    assert said.split() == [str(one) for one in (permission, family, permission, permission, 0)]


def test_every_instance_has_the_port_of_its_name_and_the_state_of_its_account() -> None:
    instances = {
        instance
        for block in PAGE.blocks("sh")
        for command in re.findall(r"^systemctl enable --now (.+)$", block, re.M)
        for instance in command.split()
    }
    proxied = re.findall(r"^    server 127\.0\.0\.1:(\d+) ", PAGE.block("nginx", "upstream "), re.M)
    assert instances == {f"run-manager@{port}" for port in proxied}
    set_here = dict(
        pair.split("=", 1)
        for line in re.findall(r"^Environment=(.+)$", UNIT, re.M)
        for pair in line.split()
    )
    assert set_here == {
        "STREAMLIT_SERVER_PORT": "%i",
        "RUNMANAGER_STATE_DIR": "%S/" + line_of(UNIT, "StateDirectory"),
    }
    # What stands in the file would count instead.
    for block in PAGE.blocks("ini"):
        if block != UNIT:
            assert not set_here.keys() & environment(block).keys()


def test_the_limits_of_open_files_are_those_that_the_process_knows() -> None:
    assert line_of(UNIT, "LimitNOFILE") == str(open_files.WANTED)
    words = re.sub(r"\s+", " ", PAGE.section("How many files may be open?"))
    assert f"up to {open_files.WANTED:,}" in words
    assert f"below {open_files.ENOUGH:,}" in words


def line_of(unit: str, name: str) -> str:
    """The one value that a unit gives to this name."""
    (found,) = re.findall(rf"^{name}=(.+)$", unit, re.M)
    return str(found)


def test_the_process_starts_with_this_environment_and_is_healthy_where_it_says(
    host: HostWriter, tmp_path: Path
) -> None:
    keys = {name: secrets.token_hex(32) for name, value in MAIN.items() if value == "…"}
    assert keys.keys() == {"RUNMANAGER_COOKIE_KEY", "RUNMANAGER_JWT_SECRET"}
    own = {"DATABASE_URL": address(host.url), "RUNMANAGER_STATE_DIR": str(tmp_path / "state")}
    app = AppProcess(tmp_path / "log", MAIN | keys | own)
    try:
        app.ready()
        (health,) = re.findall(r"curl -s http://localhost:8501(\S+)", PAGE.text)
        with urllib.request.urlopen(f"{app.url}{health}", timeout=10) as answer:  # noqa: S310  # our own address
            said = answer.read().decode()
    finally:
        app.stop()
    assert f"`{said}`" in PAGE.text
    assert json.loads(said)["database"] is True


def test_below_a_path_it_serves_there(host: HostWriter, tmp_path: Path) -> None:
    keys = {"RUNMANAGER_COOKIE_KEY": secrets.token_hex(32)}
    own = {"DATABASE_URL": address(host.url), "RUNMANAGER_STATE_DIR": str(tmp_path / "state")}
    settings = keys | BELOW_A_PATH | own
    base = f"/{BELOW_A_PATH['STREAMLIT_SERVER_BASE_URL_PATH']}"
    assert f"location {base}/ {{" in PAGE.text
    app = AppProcess(tmp_path / "log", settings)
    try:
        app.ready(base)
        with urllib.request.urlopen(f"{app.url}{base}/", timeout=10) as answer:  # noqa: S310  # our own address
            assert answer.status == 200
            assert b"<title>Sign in" in answer.read()
    finally:
        app.stop()
