"""Orders by hand: look at them, take or decline proposals, ship, cancel, clear up what waits for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crossdock.core.errors import ConfigError, NotFoundHere
from crossdock.core.model import Decision, DeclinedLine, LineOutcome, RemoteId
from crossdock.core.store import accounts, catalog, intents, journal, order_changes, order_intake, order_outcome, orders
from crossdock.core.store.engine import Read, Write
from crossdock.core.store.intents import IntentRow, IntentState
from crossdock.core.store.journal import Entry
from crossdock.core.store.order_intake import Intake
from crossdock.core.store.orders import LineRow, LineState, OrderRow, OrderState, ParkedFor
from crossdock.jobs import acceptance

if TYPE_CHECKING:
    from crossdock.hub.hub import Hub

PERSON = "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStory:
    """All that is known of one order.

    Args:
        order: the order with its lines.
        account: the account's name.
        remote_ids: all its names on the platform.
        intents: what was sent and what was answered, oldest first.
        journal: what happened, oldest first.
        versions: how the platform changed it afterwards.
        skus: the seller's own SKU of each variant among the lines, by the store's number.
    """

    order: OrderRow
    account: str
    remote_ids: tuple[RemoteId, ...]
    intents: tuple[IntentRow, ...]
    journal: tuple[Entry, ...]
    versions: tuple[Mapping[str, Any], ...]
    skus: Mapping[int | None, str]


class Orders:
    """The orders of an installation."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def list(
        self,
        *,
        account: str | None = None,
        pending: bool = False,
        parked: bool | None = None,
        states: Sequence[OrderState] = (),
        text: str = "",
        before: int | None = None,
        limit: int = 100,
    ) -> list[OrderRow]:
        """Return orders, newest first.

        Args:
            account: name or id of an account.
            pending: only those with a position that waits for a decision.
            parked: only those that wait for a person, or only the others.
            states: only orders in these states.
            text: only those with this remote id or SKU, compared exactly.
            before: only orders with lower numbers: the last one of the page before.
            limit: how many at most.

        Raises:
            NotFoundHere: there is no such account.
        """
        with self._hub.store.read() as tx:
            owner = accounts.get(tx, account).id if account else None
            numbers = orders.select_ids(
                tx,
                account=owner,
                states=states,
                undecided=pending,
                parked=parked,
                text=text,
                before=before,
                limit=limit,
            )
            return orders.get_many(tx, numbers)[::-1]

    def show(self, number: int) -> OrderStory:
        """Return the whole story of one order.

        Raises:
            NotFoundHere: there is no such order.
        """
        with self._hub.store.read() as tx:
            row = orders.get(tx, number)
            linked = catalog.get_many(tx, {line.variant_id for line in row.lines if line.variant_id is not None})
            return OrderStory(
                order=row,
                account=accounts.name_of(tx, row.account),
                remote_ids=orders.remote_ids(tx, number),
                intents=tuple(intents.of_order(tx, number)),
                journal=tuple(journal.of_order(tx, number)),
                versions=tuple(orders.versions(tx, number)),
                skus={variant: found.sku for variant, found in linked.items()},
            )

    def accept(self, number: int, positions: Sequence[str] = ()) -> OrderRow:
        """Take positions of a proposal (all undecided ones by default) and tell the platform now.

        The price floor does not apply, for a person decides; stock does.

        Raises:
            ConfigError: the account is not armed, a position is decided already, or it is not in stock.
        """
        with self._hub.store.write() as tx:
            row = self._undecided(tx, number)
            warehouses = self._hub.options(tx, row.account).warehouses
            order_changes.reserve_open(tx, [row], warehouses)
            row = orders.get(tx, number)
            lines = _chosen(row, positions)
            bare = [f"position {line.remote_id} ({line.sku or line.name})" for line in lines if not line.reserved]
            if bare:
                advice = "Count the stock, link the product, or name only the positions that you have."
                raise ConfigError(f"Order {number} is not in stock as a whole.", faults=bare, advice=advice)
            self._want(tx, row, Decision(accepted=tuple(line.remote_id for line in lines)))
        return self._carry_out(row)

    def decline(
        self, number: int, positions: Sequence[str] = (), *, reason: str = "declined by the seller"
    ) -> OrderRow:
        """Decline positions of a proposal (all undecided ones by default) and tell the platform now.

        Raises:
            ConfigError: the account is not armed, or a position is decided already.
        """
        with self._hub.store.write() as tx:
            row = self._undecided(tx, number)
            lines = _chosen(row, positions)
            declined = tuple(DeclinedLine(id=line.remote_id, reason=reason) for line in lines)
            self._want(tx, row, Decision(declined=declined))
        return self._carry_out(row)

    def ship(self, number: int, units: Mapping[str, int] | None = None) -> OrderRow:
        """Note that goods left the warehouse: all open units, or so many of each position.

        Raises:
            ConfigError: a position has not so many open units.
        """
        with self._hub.store.write() as tx:
            row = orders.get(tx, number, lock=True)
            sold = {line.remote_id: line for line in row.lines if line.state is LineState.WON}
            wanted = units or {name: order_changes.open_units(line) for name, line in sold.items()}
            _check_units(number, wanted, {name: order_changes.open_units(line) for name, line in sold.items()})
            order_outcome.ship(tx, [(row, {sold[name].id: count for name, count in wanted.items()})], actor=PERSON)
            return orders.get(tx, number)

    def ship_all(self, numbers: Sequence[int]) -> None:
        """Note that all open units of these orders left the warehouse, of all of them or of none.

        Raises:
            NotFoundHere: one of them does not exist.
        """
        with self._hub.store.write() as tx:
            rows = orders.get_many(tx, numbers, lock=True)
            if missing := sorted({*numbers} - {row.id for row in rows}):
                raise NotFoundHere(f"There is no order {', '.join(map(str, missing))}; none was shipped.")
            parcels = [(row, _open_units(row)) for row in rows]
            order_outcome.ship(tx, parcels, actor=PERSON)

    def cancel(self, number: int, units: Mapping[str, int] | None = None, *, reason: str) -> OrderRow:
        """Cancel sold units inside the hub: what was not shipped comes free, what was shipped comes back on hand.

        Args:
            number: the order.
            units: by position, how many; all of them by default.
            reason: why, in words.

        Raises:
            ConfigError: a position has not so many units.
        """
        with self._hub.store.write() as tx:
            row = orders.get(tx, number, lock=True)
            sold = {line.remote_id: line for line in row.lines if line.state is LineState.WON}
            left = {name: line.quantity - line.cancelled for name, line in sold.items()}
            wanted = units or left
            _check_units(number, wanted, left)
            by_line = {sold[name].id: count for name, count in wanted.items()}
            order_outcome.cancel_lines(tx, row, by_line, reason=reason, actor=PERSON)
            return orders.get(tx, number)

    def unpark(self, number: int) -> OrderRow:
        """Let a parked order go on after its cause was mended; status and VAT rates are looked up again.

        Raises:
            ConfigError: it is not parked, its outcome is unknown (see `resolve`), or status or VAT rate still are.
        """
        with self._hub.store.write() as tx:
            row = orders.get(tx, number, lock=True)
            if row.parked_code is None:
                raise ConfigError(f"Order {number} is not parked.")
            if row.parked_code == ParkedFor.OUTCOME:
                raise ConfigError(f"Nobody knows how order {number} ended.", advice="Use `crossdock orders resolve`.")
            order_changes.unpark(tx, row, actor=PERSON)
            unknown = order_intake.look_again(tx, self._intake(tx, row), number)
            if unknown:
                raise ConfigError(f"Order {number} cannot go on: {unknown}")
            return orders.get(tx, number)

    def resolve(self, number: int, how: Literal["ask", "lost"]) -> OrderRow:
        """Settle an order whose outcome is unknown: ask the platform again, or take a person's word that it is lost.

        Raises:
            ConfigError: its outcome is not unknown.
        """
        with self._hub.store.write() as tx:
            row = orders.get(tx, number, lock=True)
            intent = intents.living_of(tx, number)
            if row.state is not OrderState.UNKNOWN or intent is None:
                raise ConfigError(f"The outcome of order {number} is not unknown: it is {row.state}.")
            order_changes.unpark(tx, row, actor=PERSON)
            if how == "ask":
                order_changes.set_state(tx, row, OrderState.PROPOSED)
                intents.close(tx, intent.id, IntentState.OPEN)
            else:
                self._settle_as_lost(tx, row, intent)
        return self._carry_out(row) if how == "ask" else self.show(number).order

    def _intake(self, tx: Read, row: OrderRow) -> Intake:
        facts = self._hub.plugin(accounts.get(tx, row.account).platform).facts
        countries = {market.code: market.country for market in facts.markets}
        return Intake(
            account=row.account, options=self._hub.options(tx, row.account), countries=countries, actor=PERSON
        )

    def _settle_as_lost(self, tx: Write, row: OrderRow, intent: IntentRow) -> None:
        decision = acceptance.decision_of(intent)
        order_outcome.settle(
            tx,
            row,
            won=(),
            lost=decision.accepted,
            declined={line.id: line.reason for line in decision.declined},
            names=(),
            warehouses=self._hub.options(tx, row.account).warehouses,
            actor=PERSON,
        )
        answer = dict.fromkeys(decision.accepted, LineOutcome.LOST.value)
        intents.close(tx, intent.id, IntentState.DONE, answer=answer, words="A person said that it is lost.")

    def _undecided(self, tx: Write, number: int) -> OrderRow:
        row = orders.get(tx, number, lock=True)
        account = accounts.get(tx, row.account)
        if not account.armed:
            raise ConfigError(f"Account {account.name} is not armed.", advice="Run `crossdock account arm` first.")
        if row.state not in (OrderState.PROPOSED, OrderState.OPEN) or not _chosen(row, ()):
            raise ConfigError(f"Order {number} waits for no decision: it is {row.state}.")
        if intents.living_of(tx, number):
            raise ConfigError(f"A decision about order {number} is under way.", advice="See `crossdock orders show`.")
        return row

    def _want(self, tx: Write, row: OrderRow, decision: Decision) -> None:
        if row.parked_code is not None:
            order_changes.unpark(tx, row, actor=PERSON)
        intents.open_intent(
            tx,
            account=row.account,
            verb=acceptance.VERB,
            subject=str(row.id),
            order_id=row.id,
            request={**acceptance.request_of(decision), "wanted_by": PERSON},
            state=IntentState.WANTED,
        )

    def _carry_out(self, row: OrderRow) -> OrderRow:
        self._hub.run(row.account, acceptance.JOB, asked_by=PERSON)
        return self.show(row.id).order


def _open_units(row: OrderRow) -> dict[int, int]:
    sold = (line for line in row.lines if line.state is LineState.WON)
    return {line.id: order_changes.open_units(line) for line in sold}


def _chosen(row: OrderRow, positions: Sequence[str]) -> list[LineRow]:
    undecided = {line.remote_id: line for line in row.lines if line.state is LineState.PROPOSED}
    unknown = [name for name in positions if name not in undecided]
    if unknown:
        raise ConfigError(
            f"Order {row.id} has no undecided position {', '.join(unknown)}.",
            advice=f"Undecided are: {', '.join(undecided) or 'none'}.",
        )
    return [undecided[name] for name in positions or undecided]


def _check_units(number: int, wanted: Mapping[str, int], left: Mapping[str, int]) -> None:
    faults = [
        f"position {name}: {count} asked for, {left.get(name, 0)} there"
        for name, count in wanted.items()
        if count < 0 or count > left.get(name, 0)
    ]
    if faults:
        raise ConfigError(f"Order {number} has not so many units.", faults=faults)
