"""The guard in front of a page that says what it was told, served over HTTP."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.responses import JSONResponse

from pages.wire import StreamlitWire
from runmanager.entrance import Entrance, Guard
from tests.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

    from runmanager.service import RunManager
    from runmanager.settings import Settings

START_SECONDS = 20
ICON = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands behind the guard: the headers that have come so far."""
    told = [[key.decode("latin-1"), value.decode("latin-1")] for key, value in scope["headers"]]
    await JSONResponse({"path": scope["path"], "headers": told})(scope, receive, send)


@contextmanager
def serving(manager: RunManager, settings: Settings, base_path: str = "") -> Iterator[str]:
    """The address at which the guard answers."""
    entrance = Entrance("/admin/run-manager")
    guard = Guard(_echo, entrance)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await guard(scope, receive, send)
            return
        await receive()
        entrance.open(manager, settings, base_path=base_path, wire=StreamlitWire(), icon=ICON)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    port = free_port()
    options: dict[str, Any] = {"lifespan": "on", "ws": "none", "log_level": "error"}
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, proxy_headers=False, **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    waited = threading.Event()
    for _ in range(START_SECONDS * 50):
        if server.started:
            break
        waited.wait(0.02)
    assert server.started
    try:
        yield f"http://localhost:{port}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
