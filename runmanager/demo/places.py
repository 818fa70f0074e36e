"""Where an embedded PostgreSQL may live, and as whom: directories that nobody else can have planted.

PostgreSQL refuses to run as root. Root therefore starts it as an existing unprivileged account, which
must be able to reach the programs and the data; a home such as /root is closed to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from runmanager.errors import DemoError

_ACCOUNTS = ("postgres", "nobody")
_LONGEST_PATH = 900  # PostgreSQL holds paths in 1024 bytes, and appends file names of its own


def server_account() -> tuple[int, int] | None:
    """Return the user and group id to run the server as, or None to run it as ourselves.

    Raises DemoError when we are root and there is no unprivileged account to use.
    """
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return account.pw_uid, account.pw_gid
    raise DemoError(
        "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody' to run it "
        "as: start Run Manager as an ordinary user, or set DATABASE_URL."
    )


def claim(path: Path, mode: int) -> Path:
    """Make the directory, or make sure that the one there is ours. Raises DemoError if it is not."""
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise DemoError(
                f"{path} belongs to another user: remove it, or use another directory for the demo."
            ) from None
    path.chmod(mode)
    return path


def home_for(directory: Path) -> Path:
    """Return a directory that the server can use on behalf of `directory`, and make both.

    That is `directory` itself where possible, else one of ours under /var/tmp that lives as long
    as `directory` does: deleting the demo's directory resets the demo either way.
    """
    private = not _usable(directory)
    if private:
        _forget_orphans()
    directory.mkdir(mode=0o700 if private else 0o755, parents=True, exist_ok=True)
    if not private:
        return directory
    digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    home = claim(_private_place() / f"demo-{digest}", 0o755)
    (home / "origin").write_bytes(os.fsencode(directory))
    return home


def reachable_binaries(binaries: Path, version: str) -> Path:
    """Return `binaries`, or a copy of them that the unprivileged account can reach."""
    if _open_to_all(binaries):
        return binaries
    install = binaries.parent
    package = install.parent
    mark = f"{install}\n{version}\n{install.stat().st_mtime_ns}"
    copy = _private_place() / f"binaries-{hashlib.sha256(mark.encode()).hexdigest()[:16]}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(prefix="copying-", dir=copy.parent))
        # A wheel's programs find their libraries by their own place: the layout has to stay.
        parts = {install: draft / package.name / install.name}
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            parts[libraries] = draft / libraries.name
        for source, target in parts.items():
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
        draft.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # another process finished the same copy first
            shutil.rmtree(draft)
    return copy / package.name / install.name / binaries.name


def _private_place() -> Path:
    """Our own corner of /var/tmp, which is there on every system and survives a restart."""
    return claim(Path(f"/var/tmp/runmanager-{os.geteuid()}"), 0o755)  # noqa: S108  # claim() checks whose it is


def _forget_orphans() -> None:
    """Delete the homes whose directory is gone, unless a server still runs there."""
    for origin in _private_place().glob("demo-*/origin"):
        with contextlib.suppress(OSError):
            if Path(os.fsdecode(origin.read_bytes())).exists():
                continue
            with contextlib.ExitStack() as locks:
                for lock in origin.parent.glob("pg*/running"):
                    fcntl.flock(locks.enter_context(lock.open()), fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(origin.parent)


def _usable(directory: Path) -> bool:
    """Whether PostgreSQL can keep its files in `directory`, which need not exist yet."""
    name = os.fsencode(directory)
    if len(name) > _LONGEST_PATH or b"\n" in name:
        return False
    return os.geteuid() != 0 or _open_to_all(directory)


def _open_to_all(path: Path) -> bool:
    """Whether any account may walk through to `path`, as far as it exists."""
    steps = [step for step in (path, *path.parents) if step.exists()]
    return all(step.stat().st_mode & stat.S_IXOTH for step in steps)
