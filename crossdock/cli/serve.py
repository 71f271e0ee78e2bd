"""On the web: `serve`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

from crossdock.cli import endings
from crossdock.cli.app import App
from crossdock.cli.commands import Command
from crossdock.core.errors import ConfigError

if TYPE_CHECKING:
    from crossdock.core.store.runs import RunRecord
    from crossdock.hub import Hub
    from crossdock.web.server import Server


@click.command(cls=Command, epilog="Example: crossdock serve --port 8765")
@click.option("--host", help="An address of this machine, in place of the one in crossdock.toml.")
@click.option("--port", type=click.IntRange(0, 65535), help="In place of the one in crossdock.toml; 0: any free one.")
@click.pass_obj
def serve(app: App, host: str | None, port: int | None) -> None:
    """Offer feeds behind their links, and run what is due, until Ctrl-C.

    It listens where [serve] bind in crossdock.toml says: by default on this machine alone, at 127.0.0.1:8765. Any
    number of crossdock work may run beside it. What is running when it is stopped is done again, or gone on with, by
    whoever works next. /health answers a monitor.
    """
    with app.hub() as hub:
        bound_host, bound_port = hub.installation.serve.address()
        server = _server(hub, host or bound_host, bound_port if port is None else port)
        hub.work.listeners.append(lambda record: _tell(app, hub, record))
        with _stopped_by_signals(server):
            app.done(f"{server.url} answers until Ctrl-C.", {"url": server.url})
            server.run()


def _server(hub: Hub, host: str, port: int) -> Server:
    try:
        from crossdock.web.server import Server
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"crossdock serve needs {error.name}.", advice="Install it: pip install 'crossdock[serve]'."
        ) from None
    try:
        return Server(hub, host, port)
    except OSError as error:
        raise ConfigError(
            f"{host}, port {port}, cannot be listened at: {error.strerror}.",
            advice="Take another --host or --port, or mend [serve] bind in crossdock.toml.",
        ) from None


def _tell(app: App, hub: Hub, record: RunRecord) -> None:
    app.say(endings.sentence(record, hub.accounts.names()[record.account]))
    if record.error and record.state != "done":
        app.warn(f"Run {record.id}: {record.error}")


@contextmanager
def _stopped_by_signals(server: Server) -> Iterator[None]:
    """Stop the server when the system, or a person by Ctrl-C, asks for it; a second Ctrl-C cuts requests short.

    Raises:
        KeyboardInterrupt: it was Ctrl-C.
    """
    caught: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        server.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signal.SIGINT in caught:
        raise KeyboardInterrupt
