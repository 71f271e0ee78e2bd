"""One tree of errors, branched by what the engine does next.

CrossdockError                     exit code   what happens next
├── ConfigError                        2       the operator acts; every fault is listed at once
│   └── NotFoundHere                   2       the operator named an account, order, SKU … that is not in the store
├── PluginError
│   ├── PluginLoadError                3       the plugin cannot be used; nothing that needs it runs
│   ├── ContractError                  3       the plugin broke the contract; its verb is stopped
│   └── Unsupported                    3       the plugin does not do this; refused by name
├── RemoteError
│   ├── AuthError                      4       the account is stopped until somebody mends its credentials
│   ├── Unavailable                    5       retried later
│   │   └── RateLimited                5       retried when the platform says so
│   ├── Rejected                       6       this item is recorded as refused, the others go on
│   │   └── NotFound                   6       the same, the platform does not know the item
│   └── BadAnswer                      7       the verb is stopped, the raw answer is kept
├── UnknownStatus                      8       the order is parked
├── UnsafeChange                       9       nothing is sent unless forced
├── FeedError                         10       the old feed stays
├── Fenced                            11       the run belongs to somebody else by now: nothing more is written
└── Cancelled                         12       somebody asked the run to stop

A failure of a call is raised; a refusal of one item is data (`model.Result`). Every text says where, what, and how to
mend it.
"""

from __future__ import annotations

from collections.abc import Iterable


class CrossdockError(Exception):
    """Root of the tree.

    Args:
        message: where and what, in one sentence.
        advice: what a person can do about it, in one sentence.
    """

    exit_code = 1

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".rstrip()


class ConfigError(CrossdockError):
    """Something the operator gave is wrong.

    Args:
        message: where and what.
        faults: one sentence for each single fault, all of them at once.
        advice: how to mend it.
    """

    exit_code = 2

    def __init__(self, message: str, *, faults: Iterable[str] = (), advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n  - ".join([super().__str__(), *self.faults])


class NotFoundHere(ConfigError):
    """The operator named a thing that is not in the store."""


class PluginError(CrossdockError):
    """A plugin is at fault, not the platform and not the operator."""

    exit_code = 3


class PluginLoadError(PluginError):
    """A plugin cannot be loaded; the text names distribution, version, entry point and cause."""


class ContractError(PluginError):
    """A plugin answered with something that the contract does not allow."""


class Unsupported(PluginError):
    """The plugin does not implement what was asked of it."""


class RemoteError(CrossdockError):
    """A call to a platform failed.

    Args:
        message: what happened, already free of secrets.
        code: the platform's own error code, where it gave one.
        status: HTTP status, where there was an answer.
        words: the platform's own words or an excerpt of its answer, free of secrets.
        unclear: True when the platform may have carried the request out all the same.
        advice: what a person can do.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        words: str = "",
        unclear: bool = False,
        advice: str = "",
    ) -> None:
        super().__init__(message, advice=advice)
        self.code = code
        self.status = status
        self.words = words
        self.unclear = unclear
        self.account: str | None = None
        self.verb: str | None = None

    def at(self, account: str, verb: str) -> None:
        """Say on which account and in which verb it happened (the Connector calls this)."""
        self.account, self.verb = account, verb

    def __str__(self) -> str:
        place = f"account {self.account}, {self.verb}: " if self.account else ""
        code = f" [{self.code}]" if self.code else ""
        words = f" The platform said: {self.words}" if self.words else ""
        return f"{place}{self.message}{code}{words} {self.advice}".rstrip()


class AuthError(RemoteError):
    """The platform refuses the credentials: the engine stops the account."""

    exit_code = 4


class Unavailable(RemoteError):
    """The platform does not answer, or not now: the engine tries the run again later.

    Args:
        retry_after: seconds to wait as the platform asked, if it did.
    """

    exit_code = 5

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        code: str | None = None,
        status: int | None = None,
        words: str = "",
        unclear: bool = False,
        advice: str = "",
    ) -> None:
        super().__init__(message, code=code, status=status, words=words, unclear=unclear, advice=advice)
        self.retry_after = retry_after


class RateLimited(Unavailable):
    """The platform counted too many requests."""


class Rejected(RemoteError):
    """The platform understood and refused this one item."""

    exit_code = 6


class NotFound(Rejected):
    """The platform does not know this item."""


class BadAnswer(RemoteError):
    """The platform's answer cannot be understood.

    Args:
        raw: the answer as it came, free of secrets, kept with the run.
    """

    exit_code = 7

    def __init__(
        self,
        message: str,
        *,
        raw: str = "",
        code: str | None = None,
        status: int | None = None,
        words: str = "",
        unclear: bool = False,
        advice: str = "",
    ) -> None:
        super().__init__(message, code=code, status=status, words=words, unclear=unclear, advice=advice)
        self.raw = raw


class UnknownStatus(CrossdockError):
    """A status code has no meaning here: the order is parked until somebody maps it."""

    exit_code = 8


class UnsafeChange(CrossdockError):
    """A plan changes more than the account's guards allow; it needs force."""

    exit_code = 9


class FeedError(CrossdockError):
    """A feed could not be built; the version that is out stays."""

    exit_code = 10


class Fenced(CrossdockError):
    """This run was taken over; whatever it still holds must not be written."""

    exit_code = 11


class Cancelled(CrossdockError):
    """Somebody asked this run to stop."""

    exit_code = 12
