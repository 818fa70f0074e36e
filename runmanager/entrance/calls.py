"""Calls of the service from the event loop, in threads of the entrance's own.

There are so many and no more: a database that does not answer must not take every thread of the
process, and guesses must not take those that look after who is signed in.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

_checks = ThreadPoolExecutor(8, "entrance")
_sign_ins = ThreadPoolExecutor(12, "sign-in")


async def call(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What ``function`` returns or raises."""
    return await asyncio.get_running_loop().run_in_executor(
        _checks, partial(function, *args, **kwargs)
    )


async def call_to_sign_in(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same for what may take a third of a second on purpose."""
    return await asyncio.get_running_loop().run_in_executor(
        _sign_ins, partial(function, *args, **kwargs)
    )
