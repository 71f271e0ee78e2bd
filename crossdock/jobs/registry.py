"""Every job by name: what it runs, and what must be switched on for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossdock.core.errors import ConfigError
from crossdock.core.store import accounts
from crossdock.core.store.accounts import Switch
from crossdock.jobs import acceptance, feeds, offers, orders, resolve, statuses, stock
from crossdock.jobs.run import JobFunction, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A kind of work that an account can have.

    Args:
        name: as people call it. title: what it does, in a few words.
        function: does it.
        switch: what must be on for it; None for jobs that look at the switches themselves or change nothing outside.
        writes: whether it changes something on the platform, so that the account must be armed.
    """

    name: str
    title: str
    function: JobFunction
    switch: Switch | None = None
    writes: bool = False

    def __call__(self, run: Run) -> None:
        """Do it, if the account allows it now.

        Raises:
            ConfigError: the account is stopped, not armed, or the switch is off.
        """
        with run.store.read() as tx:
            account = accounts.get(tx, run.account_id)
        if account.stopped_because:
            raise ConfigError(
                f"Account {account.name} is stopped: {account.stopped_because}",
                advice="Mend the cause, then `crossdock account resume`.",
            )
        if self.switch and self.switch not in account.switches:
            raise ConfigError(
                f"Account {account.name} has {self.switch.value} switched off.",
                advice=f"Run `crossdock account enable {account.name} {self.switch.value}` first.",
            )
        if self.writes and not account.armed:
            raise ConfigError(
                f"Account {account.name} is not armed, so nothing is written to its platform.",
                advice=f"Run `crossdock account arm {account.name}` when it may write.",
            )
        self.function(run)


JOBS: Mapping[str, Job] = {
    job.name: job
    for job in (
        Job(name=orders.JOB, title="read orders", function=orders.fetch, switch=Switch.ORDERS),
        Job(name=acceptance.JOB, title="decide about proposals", function=acceptance.accept, writes=True),
        Job(name=stock.JOB, title="send stock levels", function=stock.push, switch=Switch.STOCK, writes=True),
        Job(name=offers.JOB, title="link what is listed already", function=offers.adopt),
        Job(name=resolve.JOB, title="apply rules and prices", function=resolve.resolve),
        Job(name=feeds.JOB, title="build the offers files", function=feeds.build, switch=Switch.FEED),
        Job(name=statuses.JOB, title="read the platform's statuses", function=statuses.refresh),
    )
}
