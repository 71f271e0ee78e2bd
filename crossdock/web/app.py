"""The web application: which address is answered by what."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

from anyio import move_on_after, to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crossdock.hub import Hub
from crossdock.web.feeds import FeedLinks

PATIENCE: Final = 5.0  # seconds in which a healthy store has answered


def create_app(hub: Hub, scheduler_lives: Callable[[], bool], recorder: Executor) -> Starlette:
    """Return the ASGI application of an installation.

    Args:
        hub: the installation.
        scheduler_lives: whether what is due is being run.
        recorder: writes what was fetched.
    """

    async def health(_: Request) -> Response:
        store = False
        with move_on_after(PATIENCE):
            store = await to_thread.run_sync(hub.store.answers, abandon_on_cancel=True)
        found = {"store": store, "scheduler": scheduler_lives()}
        return JSONResponse(found, 200 if all(found.values()) else 503, {"cache-control": "no-store"})

    app = Starlette(routes=[Route("/feed/{name}", FeedLinks(hub, recorder).answer), Route("/health", health)])
    app.router.redirect_slashes = False
    return app
