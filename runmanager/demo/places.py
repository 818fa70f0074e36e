"""Where an embedded PostgreSQL may live, and as whom, so that nobody else can have planted it.

PostgreSQL refuses to run as root. Root therefore starts it as an existing unprivileged account,
which must be able to reach the programs and the data; a home such as /root is closed to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from runmanager.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ACCOUNTS = ("postgres", "nobody")
_LONGEST_PATH = 900  # PostgreSQL holds paths in 1024 bytes, and appends file names of its own


def server_account(data: Path) -> tuple[int, int] | None:
    """Return the user and group id to run the server as, or None to run it as ourselves.

    Data that is there already keeps its owner: PostgreSQL serves nobody else's. Raises DemoError
    when we are root and there is no unprivileged account to use.
    """
    if os.geteuid() != 0:
        return None
    if data.exists():
        owner = data.stat()
        if owner.st_uid != 0:
            return owner.st_uid, owner.st_gid
    for name in _ACCOUNTS:
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return account.pw_uid, account.pw_gid
    raise DemoError(
        "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody' to run it "
        "as: start Run Manager as an ordinary user, or set DATABASE_URL."
    )


def claim(path: Path, mode: int) -> Path:
    """Make the directory, or make sure that the one there is ours; raises DemoError if not."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=mode)
    if not _is_ours(path):
        raise DemoError(
            f"{path} belongs to another user: remove it, or use another directory for the demo."
        )
    path.chmod(mode)
    return path


def home_for(directory: Path) -> Path:
    """Return a directory that the server can use on behalf of `directory`, and make both.

    That is `directory` itself where possible, else one of ours under /var/tmp that lives as long
    as `directory` does: deleting the demo's directory resets the demo either way.
    """
    with _alone_in_corner():
        _forget_orphans()
        directory.mkdir(parents=True, exist_ok=True)
    if _usable(directory):
        return directory
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    home = claim(private_place() / f"demo-{digest}", 0o755)
    (home / "origin").write_bytes(os.fsencode(directory))
    return home


def private_place() -> Path:
    """Our own corner of /var/tmp, which is there on every system and survives a restart."""
    return claim(_corner(), 0o755)


def open_to_all(path: Path) -> bool:
    """Whether any account may walk through to `path`."""
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents))


def _corner() -> Path:
    return Path(f"/var/tmp/runmanager-{os.geteuid()}")  # noqa: S108  # claim() checks whose it is


def _has_corner() -> bool:
    return _corner().exists() and _is_ours(_corner())


def _is_ours(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


@contextlib.contextmanager
def _alone_in_corner() -> Iterator[None]:
    """Let no other process of ours look for orphans meanwhile.

    One that does may be deleting the very home that is wanted here, which would then be taken with
    what is left in it.
    """
    with contextlib.ExitStack() as held:
        if _has_corner():
            corner = os.open(_corner(), os.O_RDONLY)
            held.callback(os.close, corner)
            fcntl.flock(corner, fcntl.LOCK_EX)
        yield


def _forget_orphans() -> None:
    """Delete the homes whose directory is gone, unless a server still runs there."""
    if not _has_corner():
        return
    for origin in _corner().glob("demo-*/origin"):
        with contextlib.suppress(OSError), contextlib.ExitStack() as locks:
            if Path(os.fsdecode(origin.read_bytes())).exists():
                continue
            for lock in origin.parent.glob("pg*/running"):
                fcntl.flock(locks.enter_context(lock.open()), fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(origin.parent)


def _usable(directory: Path) -> bool:
    """Whether PostgreSQL can keep its files in `directory`."""
    name = os.fsencode(directory)
    if len(name) > _LONGEST_PATH or b"\n" in name:
        return False
    return os.geteuid() != 0 or open_to_all(directory)
