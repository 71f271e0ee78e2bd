"""The process of `crossdock serve`: a web server in one thread, the scheduler in others, and their common end."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from crossdock.core.redaction import get_logger
from crossdock.hub import Hub
from crossdock.web.app import create_app
from crossdock.web.delivery import Line

log = get_logger(__name__)

GRACE: Final = 20  # seconds in which requests under way may finish when the process ends
WATCH_EVERY: Final = 60.0  # seconds from one look for feeds that nobody fetches to the next
PATIENCE: Final = 30.0  # seconds in which a server starts


class Scheduler:
    """Runs what is due, and looks after the feeds, in threads of its own.

    Args:
        hub: the installation.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(2, "scheduler")
        self._parts: tuple[Future[None], ...] = ()

    def start(self) -> None:
        """Begin."""
        self._parts = (self._pool.submit(self._hub.work.serve, self._stop), self._pool.submit(self._watch))
        for part in self._parts:
            part.add_done_callback(_tell_if_it_failed)

    def lives(self) -> bool:
        """Whether it has begun and nothing of it has ended."""
        return bool(self._parts) and not any(part.done() for part in self._parts)

    def leave(self) -> None:
        """Take on nothing more; what runs gives its run back at its next check."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the end; raise what ended a part of it too early."""
        self.leave()
        self._pool.shutdown()
        for part in self._parts:
            part.result()

    def _watch(self) -> None:
        while True:
            self._hub.downloads.watch()
            if self._stop.wait(WATCH_EVERY):
                return


def _tell_if_it_failed(part: Future[None]) -> None:
    if error := part.exception():
        log.critical("The scheduler has ended; feeds are still served. Start crossdock anew.", exc_info=error)


class Protocol(H11Protocol):
    """Lets the application know what was really sent: nothing waits in this process, and `Line` says how it ended."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Begin with a client."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        self._line = Line()
        self.app_state = {**self.app_state, "line": self._line}

    def connection_lost(self, exc: Exception | None) -> None:
        """End with a client."""
        self._line.lost, self._line.broken = True, exc is not None
        super().connection_lost(exc)


class _Web(uvicorn.Server):
    def __init__(self, hub: Hub, scheduler: Scheduler, recorder: Executor) -> None:
        proxies = list(hub.installation.serve.trusted_proxies)
        config = uvicorn.Config(
            create_app(hub, scheduler.lives, recorder),
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # its lines hold the whole path, and a feed's path is a secret
            server_header=False,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(config)
        for name in ("uvicorn", "uvicorn.error"):
            get_logger(name)
        self.ready = threading.Event()
        self._scheduler = scheduler

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command, which has more to close than a web server."""
        yield

    async def main_loop(self) -> None:
        self.ready.set()
        await super().main_loop()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._scheduler.leave()
        await super().shutdown(sockets)


class Server:
    """One installation on the web, with its scheduler.

    Args:
        hub: the installation.
        host: an address or name of this machine.
        port: 0 for any that is free.
        scheduler: whether what is due is run, too; a rehearsal, whose clock moves by jumps, does that itself.

    Raises:
        OSError: nothing can listen there.
    """

    def __init__(self, hub: Hub, host: str, port: int, *, scheduler: bool = True) -> None:
        self._listener = _listening(host, port)
        self._schedules = scheduler
        self._scheduler = Scheduler(hub)
        self._recorder = ThreadPoolExecutor(1, "downloads")
        self._web = _Web(hub, self._scheduler, self._recorder)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        """Serve until `stop` is called; then runs are given back, and requests under way may finish within GRACE."""
        if self._schedules:
            self._scheduler.start()
        try:
            with self._listener:
                self._web.run([self._listener])
        finally:
            self._recorder.shutdown()
            self._scheduler.join()

    def stop(self) -> None:
        """Let `run` come to its end; may be called from any thread or signal handler, at any time."""
        self._web.should_exit = True

    def wait_until_ready(self) -> None:
        """Wait until requests are answered."""
        if not self._web.ready.wait(PATIENCE):
            raise RuntimeError("the web server did not start; its thread printed why")


def _listening(host: str, port: int) -> socket.socket:
    with ExitStack() as undo:
        listener = undo.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
        undo.pop_all()
    return listener


@contextmanager
def serving(hub: Hub, host: str = "127.0.0.1", port: int = 0, *, scheduler: bool = True) -> Iterator[Server]:
    """Serve from another thread, for tests and programs that embed crossdock; in the end all is recorded.

    The arguments are those of `Server`.
    """
    server = Server(hub, host, port, scheduler=scheduler)
    with ThreadPoolExecutor(1, "web") as thread:
        running = thread.submit(server.run)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()
            running.result()
