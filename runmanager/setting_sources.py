"""Where the text of a setting comes from: its variable, a file, or systemd's credentials.

Environments are seen by whoever may look at the process, and inherited by all that it starts;
a file is read by its owner only.
"""

from __future__ import annotations

import logging
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from runmanager.errors import SettingsError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

logger = logging.getLogger("runmanager.settings")

# The folder in which systemd puts what LoadCredential= names.
CREDENTIALS = "CREDENTIALS_DIRECTORY"
# Far more than any secret; what is longer is some other file.
LONGEST_FILE = 64 * 1024


def variable_text(environ: Mapping[str, str], env: str) -> str:
    """The text of a variable, "" where it is not set."""
    return _as_text(env, environ.get(env, ""))


def secret_text(environ: Mapping[str, str], env: str) -> str:
    """The text of a secret: its variable, the file that ``<env>_FILE`` names, or a credential.

    Raises SettingsError where the first two are both set: one of them would count for nothing, and
    whoever changed that one would not notice.
    """
    named = f"{env}_FILE"
    text, path = variable_text(environ, env), variable_text(environ, named)
    if text and path:
        raise SettingsError(f"{env} and {named} are both set: leave one of them out.")
    if text:
        return text
    if path:
        return _file_text(f"The file of {named}", Path(path))
    folder = variable_text(environ, CREDENTIALS)
    if folder and _may_be_there(credential := Path(folder) / env):
        return _file_text(f"The credential {env} in {CREDENTIALS}", credential)
    return ""


def _may_be_there(path: Path) -> bool:
    """Whether ``path`` is not known to be missing.

    A folder that cannot be looked into is no reason to go on without the secret.
    """
    try:
        path.lstat()
    except OSError as error:
        return not isinstance(error, FileNotFoundError)
    return True


def _file_text(named: str, path: Path) -> str:
    try:
        found, content = _read(path)
    except OSError as error:
        raise SettingsError(f"{named} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(found.st_mode):
        raise SettingsError(f"{named} cannot be read: it is no regular file.")
    if len(content) > LONGEST_FILE:
        raise SettingsError(
            f"{named} is longer than {LONGEST_FILE // 1024} KiB: it must hold the secret alone."
        )
    try:
        text = _as_text(named, content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise SettingsError(f"{named} is not UTF-8 text.") from None
    if not text:
        raise SettingsError(f"{named} is empty: write the secret into it.")
    _warn_of_others(named, found)
    return text


def _read(path: Path) -> tuple[os.stat_result, bytes]:
    found = path.stat()
    # A pipe that nobody writes to would hold up the start for ever.
    if not stat.S_ISREG(found.st_mode):
        return found, b""
    with path.open("rb") as file:
        return found, file.read(LONGEST_FILE + 1)


def _warn_of_others(named: str, found: os.stat_result) -> None:
    """Warn of a file that others can read, or put another secret into.

    A group counts where the owner is no root: systemd, Docker and Kubernetes hand root's files to a
    service by their group, while an account's own file needs none.
    """
    is_root_s = found.st_uid == 0
    if found.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        mend = "o-rwx" if is_root_s else "go-rwx"
    elif found.st_mode & (stat.S_IRGRP | stat.S_IWGRP) and not is_root_s:
        mend = "go-rwx"
    else:
        return
    logger.warning("%s can be read or changed by others: run `chmod %s` on it.", named, mend)


def _as_text(named: str, value: str) -> str:
    text = value.strip()
    # A variable's bytes that are no UTF-8 come as halves of characters.
    if any("\ud800" <= character <= "\udfff" or character == "\0" for character in text):
        raise SettingsError(f"{named} is not UTF-8 text.")
    return text
