"""The log: one line for each record, whoever writes it, and errors by an id instead of a traceback.

What a line says may come from the host's data, an address or a header: a line break in it would
make a line of its own that nobody wrote, and a traceback carries values. So both are taken away
where records are made, for every logger of the process, ours, Streamlit's and the web server's:
their handlers are their own and come and go.
"""

from __future__ import annotations

import logging
import secrets
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runmanager.errors import (
    InvalidRequestError,
    InvalidTokenError,
    NotAdminError,
    NotFoundError,
    RunManagerError,
    TooManyError,
    WrongPasswordError,
)

if TYPE_CHECKING:
    from types import FrameType

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_CHECKOUT = Path(__file__).resolve().parents[1]
_INSTALLED = "site-packages"
# Where an error carries its id: the same object may be logged by one and shown by another.
_ID = "run_manager_id"
_MAX_CAUSES = 4
_NOT_DONE = "This could not be done"
_SAID_IN_FULL = (
    InvalidRequestError,
    InvalidTokenError,
    NotAdminError,
    NotFoundError,
    TooManyError,
    WrongPasswordError,
)


def one_line(text: str) -> str:
    r"""``text`` with all that is not printed written out, such as ``\n``, ``\x1b`` or ``\u202e``.

    So are characters that have no width or turn the direction of what follows.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def error_id(error: BaseException) -> str:
    """The short id by which an answer, a page and a line in the log name ``error``."""
    known: str = vars(error).setdefault(_ID, secrets.token_hex(4))
    return known


def described(error: BaseException) -> str:
    """What ``error`` is, where it was raised and its id; nothing of what it says.

    Such as "KeyError at pages/parts/run_grid.py:124 (error 3f9a1c2b)".
    """
    kinds = " from ".join(_kind(one) for one in _with_causes(error))
    return f"{kinds}{_place(error)} (error {error_id(error)})"


def report(logger: logging.Logger, what_happened: str, error: BaseException) -> str:
    """Log that ``what_happened`` by ``error``; the id to tell whoever asked for it."""
    logger.error("%s: %s", what_happened, described(error))
    return error_id(error)


def told(logger: logging.Logger, error: RunManagerError) -> str:
    """What to tell whoever met ``error``: its message, with its id where the log says more of it.

    It does where the database or the host's schema was at fault, or nobody foresaw the error; what
    the caller got wrong is wholly said by the message.
    """
    if isinstance(error, _SAID_IN_FULL):
        return error.message
    return f"{error.message} (error {report(logger, _NOT_DONE, error)})"


class _OneLine(logging.LogRecord):
    """A record whose message is one line, with an error described."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        error = self.exc_info[1] if self.exc_info else None
        self._error = "" if error is None else f": {described(error)}"
        self.exc_info = self.stack_info = None

    def getMessage(self) -> str:  # noqa: N802  the name is the base class's
        """The message, whatever its arguments hold."""
        return one_line(super().getMessage().rstrip()) + self._error


def to_stderr() -> None:
    """Let every record of the process be one line, and those that nobody else writes go to stderr.

    So are warnings, and errors that no thread has caught.
    """
    logging.setLogRecordFactory(_OneLine)
    logging.captureWarnings(True)
    handler = logging.StreamHandler()
    formatter = logging.Formatter(FORMAT)
    formatter.default_msec_format = "%s.%03d"
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    # For loggers that hand nothing on and have no handler, such as the web server's.
    logging.lastResort = handler
    logging.getLogger("runmanager").setLevel(logging.INFO)
    # Below that, the web server says of every socket that it opens and closes.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    threading.excepthook = _log_thread_error
    sys.unraisablehook = _log_unraisable


def _log_thread_error(lost: threading.ExceptHookArgs) -> None:
    if lost.exc_value is not None and not isinstance(lost.exc_value, SystemExit):
        report(logging.getLogger(__name__), "A thread ended unexpectedly", lost.exc_value)


def _log_unraisable(lost: sys.UnraisableHookArgs) -> None:
    if lost.exc_value is not None:
        report(logging.getLogger(__name__), "An error could not be raised", lost.exc_value)


def _with_causes(error: BaseException) -> list[BaseException]:
    """The error, and those behind it, whether or not it was raised "from" them."""
    found = [error]
    while len(found) < _MAX_CAUSES:
        behind = found[-1].__cause__ or found[-1].__context__
        if behind is None or behind in found:
            break
        found.append(behind)
    return found


def _kind(error: BaseException) -> str:
    """The error's type, and the code that the database gave it."""
    code = getattr(getattr(error, "orig", error), "sqlstate", None)
    return type(error).__name__ + (f" {code}" if isinstance(code, str) else "")


def _place(error: BaseException) -> str:
    """Where it was raised, and the line of ours behind which it began."""
    frames = list(traceback.walk_tb(error.__traceback__))
    if not frames:
        return ""
    frame, line = frames[-1]
    raised = _own_place(frame, line) or f"{frame.f_globals.get('__name__')}:{line}"
    ours = [
        place
        for one in _with_causes(error)
        for step in traceback.walk_tb(one.__traceback__)
        if (place := _own_place(*step)) is not None
    ]
    by = f", by {ours[-1]}" if ours and ours[-1] != raised else ""
    return f" at {raised}{by}"


def _own_place(frame: FrameType, line: int) -> str | None:
    path = Path(frame.f_code.co_filename)
    if _INSTALLED in path.parts or not path.is_relative_to(_CHECKOUT):
        return None
    return f"{path.relative_to(_CHECKOUT).as_posix()}:{line}"
