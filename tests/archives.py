"""Places of the archive as the tests have them: a folder, an S3 on this machine, or the store."""

from __future__ import annotations

import logging
import os
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from runmanager.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SETTINGS = Settings()


def settings(archive: str) -> Settings:
    """The settings of a Run Manager whose archive is there."""
    return replace(SETTINGS, archive=archive)


@contextmanager
def s3() -> Iterator[str]:
    """An S3 of this machine's own; its address. What it is asked it keeps to itself."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def s3_environment(address: str) -> dict[str, str]:
    """The variables by which an S3 at this address is found, as its users set them."""
    return {
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def make_bucket(name: str) -> None:
    """Make a bucket in the S3 that the environment names."""
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)


class KilledError(BaseException):
    """The process was killed here."""


class Killed:
    """``os``, until step number ``at`` of the module that is given this in its place.

    There, and at every later step, nothing is done any more: as after a kill, also what would have
    been cleared up. ``steps`` has the names of those that were done.
    """

    STEPS = frozenset(
        {"open", "write", "fsync", "close", "replace", "unlink", "mkdir", "makedirs", "rmdir"}
    )

    def __init__(self, at: int | None = None) -> None:
        self._at = at
        self.steps: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        return self._counted(name, found) if name in self.STEPS else found

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*values: Any, **options: Any) -> Any:
            if self._at is not None and len(self.steps) >= self._at:
                raise KilledError
            self.steps.append(name)
            return call(*values, **options)

        return counted


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` with what it holds, half written ones left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@contextmanager
def mounted(path: Path) -> Iterator[None]:
    """A disk of 1 MB there, for the block; only root can mount one."""
    path.mkdir(exist_ok=True)
    if os.geteuid() != 0 or not _ran("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)):
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        assert _ran("umount", str(path))


def remount_read_only(path: Path) -> None:
    """Let the disk that is mounted there take no writes any more."""
    assert _ran("mount", "-o", "remount,ro", str(path))


def _ran(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603  the tests' own
