"""A twin on a loopback port: in a thread for tests, or in the foreground for the command line."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HOST = "127.0.0.1"
PATIENCE = 10.0  # seconds in which a server starts or stops


@contextmanager
def serve(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve the app from a daemon thread on this port, or a free one, and give its base URL, `http://127.0.0.1:PORT`.

    Raises:
        OSError: the port is taken.
    """
    with _listening(port) as listener:
        server = _Server(app)
        thread = threading.Thread(target=server.run, args=([listener],), name="twin", daemon=True)
        thread.start()
        if not server.ready.wait(PATIENCE):
            raise RuntimeError("the twin's server did not start; its thread printed why")
        try:
            yield f"http://{HOST}:{listener.getsockname()[1]}"
        finally:
            server.stop()
            thread.join(PATIENCE)


def run(app: ASGIApp, port: int) -> None:
    """Serve the app on that port until interrupted; OSError where the port is taken."""
    with _listening(port) as listener:
        _Server(app).run([listener])


@contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(512)
        yield listener


class _Protocol(H11Protocol):
    """Hands the connection to the app (in the scope's state), so that a fault can cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Starts with a signal and stops at once: what still hangs is cut, a twin owes nobody a graceful goodbye."""

    def __init__(self, app: ASGIApp) -> None:
        quiet = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
        )
        super().__init__(quiet)
        self.ready = threading.Event()
        self._stopping = asyncio.Event()

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready.set()
        await self._stopping.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self.ready.is_set():
            self.stop()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            cast(H11Protocol, connection).transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=PATIENCE)
