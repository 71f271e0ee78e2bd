"""Offers files behind links: `/feed/<token>.<extension>`, GET and HEAD.

A token that leads nowhere, whatever the reason, is answered like any address that does not exist.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from typing import BinaryIO, Final

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from crossdock.core.redaction import get_logger
from crossdock.core.store import feeds
from crossdock.core.store.feeds import DownloadKind, FeedFile
from crossdock.hub import Hub
from crossdock.web.conditions import Representation, wants_gzip
from crossdock.web.conditions import answer as plan_answer
from crossdock.web.delivery import Delivery

log = get_logger(__name__)

ATTEMPTS: Final = 3  # a version may be replaced, and its file removed, between reading its row and opening the file
_NAME: Final = re.compile(r"([A-Za-z0-9_-]{16,128})\.([a-z0-9]{1,10})")
_ASK: Final = {"www-authenticate": 'Basic realm="feed", charset="UTF-8"'}


class FeedLinks:
    """The endpoint of the links.

    Args:
        hub: the installation.
        recorder: writes what was fetched: the store's turn may be long in coming, and no request waits for it.
    """

    def __init__(self, hub: Hub, recorder: Executor) -> None:
        self._hub = hub
        self._recorder = recorder

    async def answer(self, request: Request) -> Response:
        """Answer a request for a file."""
        gzip = wants_gzip(request.headers.get("accept-encoding"))
        file, source = await run_in_threadpool(self._open, request.path_params["name"], gzip=gzip)
        if not _allowed(file, request.headers.get("authorization", "")):
            source.close()
            return PlainTextResponse("Unauthorized", 401, _ASK)
        plan = plan_answer(request.method, request.headers, _representation(file, source, gzip=gzip))
        download = partial(
            self._hub.downloads.record,
            file,
            status=plan.status,
            agent=request.headers.get("user-agent", ""),
            address=request.client.host if request.client else "",
        )
        own = request.query_params.get("own") == "1"
        return Delivery(
            source, plan, lambda kind, sent: self._record(download, DownloadKind.OWN if own else kind, sent)
        )

    def _open(self, name: str, *, gzip: bool) -> tuple[FeedFile, BinaryIO]:
        """Return the current version behind a link, and its file, opened once and for all.

        Raises:
            HTTPException: the link leads nowhere, or the file is gone.
        """
        file = self._find(name)
        for _ in range(ATTEMPTS):
            with suppress(FileNotFoundError):
                path = self._hub.downloads.folder / (f"{file.path}.gz" if gzip else file.path)
                return file, path.open("rb", buffering=0)
            file = self._find(name)
        log.error("The feed of account %s in %s has lost its file %s.", file.account, file.market, file.path)
        raise HTTPException(503)

    def _find(self, name: str) -> FeedFile:
        found = _NAME.fullmatch(name)
        token, extension = found.groups() if found else ("", "")  # the store is asked in any case: it takes its time
        file = self._hub.downloads.find(token)
        if file is None or not file.path.endswith(f".{extension}"):
            raise HTTPException(404)
        self._hub.redactor.register([token])
        return file

    def _record(self, download: Callable[..., None], kind: DownloadKind, sent: int) -> None:
        self._recorder.submit(download, kind=kind, bytes=sent).add_done_callback(_tell_if_it_failed)


def _tell_if_it_failed(recorded: Future[None]) -> None:
    if error := recorded.exception():
        log.error("A download could not be recorded.", exc_info=error)


def _representation(file: FeedFile, source: BinaryIO, *, gzip: bool) -> Representation:
    # The same rows packed once more need not be the same bytes; so the packed ones are those of their version.
    return Representation(
        etag=f"{file.etag}-{file.version}-gzip" if gzip else file.etag,
        size=os.fstat(source.fileno()).st_size,
        modified=file.published_at,
        media_type=file.media_type,
        gzip=gzip,
    )


def _allowed(file: FeedFile, authorization: str) -> bool:
    if file.user is None or file.password is None:
        return True
    user, password = _credentials(authorization)
    right_user = hmac.compare_digest(file.user.encode(), user.encode())
    return feeds.password_fits(file.password, password) and right_user


def _credentials(authorization: str) -> tuple[str, str]:
    """Return user and password of HTTP Basic; two empty texts, which fit nothing, where there are none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password
