"""Items about stock: the platform shows what can be sold, no more, and soon."""

from __future__ import annotations

from crossdock.core.store.events import Level
from crossdock.core.store.runs import RunState
from crossdock.testing.items import holds, item, same
from crossdock.testing.platform import Wanted
from crossdock.testing.rehearsal import ACCOUNT, SKUS, UNITS, Rehearsal
from crossdock.twins.kit import FaultKind


def _set(rehearsal: Rehearsal, **options: object) -> None:
    rehearsal.hub.accounts.set(ACCOUNT, options=options)


def _more(rehearsal: Rehearsal, count: int) -> tuple[str, ...]:
    """List more variants, and tell the platform of them."""
    skus = tuple(f"MORE-{number:03}" for number in range(count))
    rehearsal.stock_up(skus)
    rehearsal.done("stock")
    return skus


def _pushed(rehearsal: Rehearsal, since: int) -> list[tuple[str, int]]:
    """Return the levels that were sent after the first `since` calls, in the order in which they came."""
    return [(sku, units) for call in rehearsal.platform.pushes()[since:] for sku, units in call]


# --- what is shown ---------------------------------------------------------------------------------------------------


@item(
    "stock.shown",
    "Each offer's level arrives: a count is shown as it is, and only what changed is sent.",
    "Sending everything every time runs into limits, and hides what went wrong.",
)
def _shown(rehearsal: Rehearsal) -> None:
    begin = len(rehearsal.platform.pushes())
    rehearsal.count({SKUS[0]: 7, SKUS[1]: 31, SKUS[2]: 0})
    rehearsal.done("stock")
    sent = dict(_pushed(rehearsal, begin))
    same("Levels sent", sent, {SKUS[0]: 7, SKUS[1]: 31, SKUS[2]: 0})
    rehearsal.compare_with_book()


@item(
    "stock.nothing-new",
    "A count that changes nothing sends nothing.",
    "A call for nothing is a call less for something.",
)
def _nothing_new(rehearsal: Rehearsal) -> None:
    rehearsal.count({SKUS[0]: UNITS - 1})
    rehearsal.done("stock")
    calls = rehearsal.calls("stock")
    rehearsal.count({SKUS[0]: UNITS - 1})
    rehearsal.count({SKUS[1]: 1})
    rehearsal.count({SKUS[1]: UNITS})
    rehearsal.done("stock")
    same("Stock calls", rehearsal.calls("stock") - calls, 0)
    rehearsal.compare_with_book()


@item(
    "stock.uncounted",
    "A quantity that nobody has counted is never sent, least of all as zero; once it is counted it goes out by itself.",
    "Unknown is not zero: whoever sends zero ends listings.",
)
def _uncounted(rehearsal: Rehearsal) -> None:
    begin = len(rehearsal.platform.pushes())
    rehearsal.stock_up(("UNCOUNTED",), None)
    rehearsal.count({SKUS[0]: 3})
    rehearsal.wait()
    same("Levels sent", dict(_pushed(rehearsal, begin)), {SKUS[0]: 3})
    same("Levels that were left out", rehearsal.levels().get("skipped"), 1)
    rehearsal.count({"UNCOUNTED": 4})
    rehearsal.wait()
    same("Units shown", rehearsal.platform.stock()["UNCOUNTED"], 4)
    rehearsal.compare_with_book()


@item(
    "stock.other-warehouse",
    "What is counted in a warehouse that is not the account's is not shown.",
    "A shelf at the shop is not the shelf that parcels leave from.",
)
def _other_warehouse(rehearsal: Rehearsal) -> None:
    begin = len(rehearsal.platform.pushes())
    _set(rehearsal, warehouses=["elsewhere"])
    rehearsal.count({SKUS[0]: 9})
    rehearsal.wait()
    same("Levels sent", _pushed(rehearsal, begin), [])
    _set(rehearsal, warehouses=["elsewhere", "main"])
    rehearsal.count({SKUS[0]: 8})
    rehearsal.wait()
    same("Units shown", rehearsal.platform.stock()[SKUS[0]], 8)


@item(
    "stock.reserved",
    "Units of proposals and open orders are not shown.",
    "What one buyer may get is not for the next.",
)
def _reserved(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disable(ACCOUNT, "accept")
    rehearsal.propose(Wanted(SKUS[0], 4), Wanted(SKUS[1], UNITS))
    rehearsal.wait()
    shown = rehearsal.platform.stock()
    same("Units shown", [shown[sku] for sku in SKUS[:3]], [UNITS - 4, 0, UNITS])
    rehearsal.compare_with_book()


@item(
    "stock.shipped",
    "Shipping an order changes nothing of what is shown, and cancelling one shows its units again.",
    "What left the shelf was off the shelf's count before.",
)
def _shipped(rehearsal: Rehearsal) -> None:
    shipped, cancelled = rehearsal.propose(Wanted(SKUS[0], 2)), rehearsal.propose(Wanted(SKUS[1], 3))
    rehearsal.wait()
    rehearsal.hub.orders.ship(rehearsal.order(shipped).id)
    rehearsal.hub.orders.cancel(rehearsal.order(cancelled).id, reason="broken")
    rehearsal.wait()
    shown = rehearsal.platform.stock()
    same("Units shown", [shown[sku] for sku in SKUS[:2]], [UNITS - 2, UNITS])
    levels = [rehearsal.level(sku) for sku in SKUS[:2]]
    same("On hand and reserved", [(level.on_hand, level.reserved) for level in levels], [(UNITS - 2, 0), (UNITS, 0)])


@item(
    "stock.buffer-and-cap",
    "The account's buffer is held back and its cap is not exceeded; neither makes a level negative.",
    "A buffer is what keeps two shops from selling the last one twice.",
)
def _buffer_and_cap(rehearsal: Rehearsal) -> None:
    _set(rehearsal, stock_buffer=3, stock_cap=10)
    rehearsal.count({SKUS[0]: 2, SKUS[1]: 9, SKUS[2]: 14})
    rehearsal.wait()
    shown = rehearsal.platform.stock()
    same("Units shown", [shown[sku] for sku in SKUS[:3]], [0, 6, 10])


@item(
    "stock.options-changed",
    "A changed buffer reaches the levels of all offers by itself, although no stock has moved.",
    "Who raises the buffer before a holiday wants it raised everywhere.",
)
def _options_changed(rehearsal: Rehearsal) -> None:
    _set(rehearsal, stock_buffer=5)
    rehearsal.wait()
    same("Units shown", {*rehearsal.platform.stock().values()}, {UNITS - 5})


@item(
    "stock.never-negative",
    "Where more was sold than there is, zero is shown and nothing less.",
    "Some platforms read a negative number as a very large one.",
)
def _never_negative(rehearsal: Rehearsal) -> None:
    begin = len(rehearsal.platform.pushes())
    proposal = rehearsal.propose(Wanted(SKUS[0], UNITS))
    rehearsal.wait()
    holds("it was sold", rehearsal.deal(proposal).orders)
    rehearsal.count({SKUS[0]: 5})
    rehearsal.wait()
    same("Free units", rehearsal.level(SKUS[0]).free, 5 - UNITS)
    sent = [units for sku, units in _pushed(rehearsal, begin) if sku == SKUS[0]]
    holds(f"all levels sent are zero or more, and the last one is zero ({sent})", min(sent) == sent[-1] == 0)


# --- how it is sent --------------------------------------------------------------------------------------------------


@item(
    "stock.lowering-first",
    "What falls is sent before what rises, over all calls of a push.",
    "While a push runs, what fell is still being sold.",
)
def _lowering_first(rehearsal: Rehearsal) -> None:
    skus = _more(rehearsal, rehearsal.batch + 5)
    rises, falls = skus[:-6], skus[-6:]
    begin = len(rehearsal.platform.pushes())
    rehearsal.count(dict.fromkeys(rises, UNITS + 1) | dict.fromkeys(falls, UNITS - 1))
    rehearsal.done("stock")
    sent = _pushed(rehearsal, begin)
    same("The levels sent first", {sku for sku, _ in sent[: len(falls)]}, {*falls})
    same("Levels sent", len(sent), len(skus))
    rehearsal.compare_with_book()


@item(
    "stock.batch",
    "No call holds more levels than the plugin declares, and none is left out.",
    "Platforms cut batches that are too large, some without a word.",
)
def _batch(rehearsal: Rehearsal) -> None:
    most = rehearsal.batch
    begin = len(rehearsal.platform.pushes())
    skus = _more(rehearsal, 2 * most + 1)
    sizes = [len(call) for call in rehearsal.platform.pushes()[begin:]]
    holds(f"calls of {sizes} levels are no larger than {most}", max(sizes) <= most)
    same("Levels sent", sum(sizes), len(skus))
    rehearsal.compare_with_book()


@item(
    "stock.refused-level",
    "A level that the platform refuses stops no other; a person is told the platform's words, and their next push "
    "tries it again.",
    "One broken listing must not freeze the stock of all.",
)
def _refused_level(rehearsal: Rehearsal) -> None:
    rehearsal.stock_up(("REFUSED",), refused=True)
    rehearsal.count({SKUS[0]: 3})
    record = rehearsal.done("stock")
    same("Levels refused", record.counts["failed"], 1)
    event = rehearsal.expect_event("level_refused", Level.WARNING)
    same("What the event is about", event.item, "REFUSED")
    same("Units shown", rehearsal.platform.stock()[SKUS[0]], 3)
    same("Levels in error", rehearsal.levels().get("error"), 1)
    rehearsal.platform.list(("REFUSED",))
    rehearsal.done("stock")
    same("Units shown of the mended one", rehearsal.platform.stock()["REFUSED"], UNITS)
    rehearsal.compare_with_book()


@item(
    "stock.change-during-push",
    "A change that comes while a push is under way goes out right after it, by itself and without a schedule.",
    "A change that is overlooked is sold until the next count.",
)
def _change_during_push(rehearsal: Rehearsal) -> None:
    rehearsal.hub.script.after["push_stock"] = lambda: rehearsal.count({SKUS[0]: 2, SKUS[3]: 1})
    rehearsal.count({SKUS[0]: 9})
    rehearsal.done("stock")
    rehearsal.hub.work.run_until_idle()
    shown = rehearsal.platform.stock()
    same("Units shown", [shown[SKUS[0]], shown[SKUS[3]]], [2, 1])
    rehearsal.compare_with_book()


@item(
    "stock.after-failure",
    "A level that changed while a push could not be carried out is sent as it is by then, not as it was.",
    "A queue of old numbers sells what is gone.",
)
def _after_failure(rehearsal: Rehearsal) -> None:
    begin = len(rehearsal.platform.pushes())
    rehearsal.fault(FaultKind.SERVER_ERROR, "stock", times=None)
    rehearsal.count({SKUS[0]: 9})
    same("The run", rehearsal.run("stock").state.value, RunState.QUEUED.value)
    rehearsal.count({SKUS[0]: 4})
    rehearsal.mend()
    rehearsal.wait()
    same("Levels sent", _pushed(rehearsal, begin), [(SKUS[0], 4)])


# --- when it is sent -------------------------------------------------------------------------------------------------


@item(
    "trigger.change",
    "With the trigger `change` a count goes out by itself, at once.",
    "Every minute of a wrong level is a minute of selling it.",
)
def _trigger_change(rehearsal: Rehearsal) -> None:
    rehearsal.count({SKUS[0]: 5})
    rehearsal.hub.work.run_until_idle()
    same("Units shown", rehearsal.platform.stock()[SKUS[0]], 5)


@item(
    "trigger.hourly",
    "With the trigger `hourly` a count goes out within the hour, and not at once.",
    "Some sellers' systems tell the same count ten times.",
)
def _trigger_hourly(rehearsal: Rehearsal) -> None:
    _set(rehearsal, stock_trigger="hourly")
    rehearsal.wait(3600)
    rehearsal.count({SKUS[0]: 5})
    rehearsal.hub.work.run_until_idle()
    same("Units shown at once", rehearsal.platform.stock()[SKUS[0]], UNITS)
    rehearsal.wait(3600)
    same("Units shown after an hour", rehearsal.platform.stock()[SKUS[0]], 5)


@item(
    "trigger.manual",
    "With the trigger `manual` nothing goes out before somebody asks for it.",
    "Off has to mean off.",
)
def _trigger_manual(rehearsal: Rehearsal) -> None:
    _set(rehearsal, stock_trigger="manual")
    rehearsal.count({SKUS[0]: 5})
    rehearsal.wait(90_000)
    same("Units shown", rehearsal.platform.stock()[SKUS[0]], UNITS)
    rehearsal.done("stock")
    same("Units shown after it was asked for", rehearsal.platform.stock()[SKUS[0]], 5)


# --- what holds it back ----------------------------------------------------------------------------------------------


@item(
    "stock.plan",
    "A plan tells what would be sent, sends nothing and changes nothing.",
    "Who looks first must not set off what they look at.",
)
def _plan(rehearsal: Rehearsal) -> None:
    _set(rehearsal, stock_trigger="manual")
    rehearsal.count({SKUS[0]: 5, SKUS[1]: UNITS + 5})
    requests, before = len(rehearsal.twin.traffic), (rehearsal.levels(), rehearsal.hub.work.list())
    plan = rehearsal.hub.work.plan(ACCOUNT, "stock")
    planned = [(change.pending.offer.sku, change.before, change.after) for change in plan.changes]
    same("Changes", planned, [(SKUS[0], UNITS, 5), (SKUS[1], UNITS, UNITS + 5)])
    same("Levels and runs", (rehearsal.levels(), rehearsal.hub.work.list()), before)
    same("Requests", len(rehearsal.twin.traffic) - requests, 0)
    rehearsal.done("stock")
    shown = rehearsal.platform.stock()
    same("What the push then did", [shown[sku] for sku in SKUS[:2]], [change.after for change in plan.changes])


@item(
    "stock.unarmed",
    "While an account is not armed no level is sent; arming it sends what has changed.",
    "A new account must not act before somebody has looked at what it would do.",
)
def _unarmed(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disarm(ACCOUNT)
    rehearsal.count({SKUS[0]: 5})
    writes = rehearsal.writes()
    rehearsal.wait()
    same("The run of stock", rehearsal.run("stock").state.value, RunState.FAILED.value)
    rehearsal.expect_event("config_error", Level.ERROR)
    same("Writing calls", rehearsal.writes() - writes, 0)
    rehearsal.hub.accounts.arm(ACCOUNT)
    rehearsal.wait()
    same("Units shown", rehearsal.platform.stock()[SKUS[0]], 5)


@item(
    "stock.switch-off",
    "With stock switched off no level is sent; switching it on again sends what has changed.",
    "Off has to mean off.",
)
def _switch_off(rehearsal: Rehearsal) -> None:
    rehearsal.hub.accounts.disable(ACCOUNT, "stock")
    rehearsal.count({SKUS[0]: 5})
    writes = rehearsal.writes()
    rehearsal.wait()
    same("The run of stock", rehearsal.run("stock").state.value, RunState.FAILED.value)
    same("Writing calls", rehearsal.writes() - writes, 0)
    rehearsal.hub.accounts.enable(ACCOUNT, "stock")
    rehearsal.wait()
    same("Units shown", rehearsal.platform.stock()[SKUS[0]], 5)


def _judge_guard(rehearsal: Rehearsal, units: dict[str, int]) -> None:
    rehearsal.count(units)
    writes = rehearsal.writes()
    rehearsal.wait()
    same("The run", rehearsal.run("stock").state.value, RunState.FAILED.value)
    same("Writing calls", rehearsal.writes() - writes, 0)
    event = rehearsal.expect_event("unsafe_change", Level.ERROR)
    holds("the event names the numbers", f"{len(units)} of {len(SKUS)}" in event.message)
    holds("the plan says the same", rehearsal.hub.work.plan(ACCOUNT, "stock").objections)
    rehearsal.done("stock", force=True)
    shown = rehearsal.platform.stock()
    same("Units shown after it was forced", {sku: shown[sku] for sku in units}, units)
    rehearsal.count(dict.fromkeys(units, UNITS))
    rehearsal.done("stock", force=True)
    rehearsal.count(units)
    same("The next run", rehearsal.run("stock").state.value, RunState.FAILED.value)


@item(
    "guard.changed",
    "A push that would change more offers than the account allows is stopped whole, and goes through when it is "
    "forced; force is used up by one push.",
    "A broken import must not reach the platform before somebody has seen it.",
)
def _guard_changed(rehearsal: Rehearsal) -> None:
    _set(rehearsal, guard_from=2, max_changed_share="0.5")
    _judge_guard(rehearsal, dict.fromkeys(SKUS[:4], UNITS + 7))


@item(
    "guard.zero",
    "A push that would take more offers to zero than the account allows is stopped whole, and goes through when it is "
    "forced.",
    "An empty file from the warehouse looks like a sold-out shop.",
)
def _guard_zero(rehearsal: Rehearsal) -> None:
    _set(rehearsal, guard_from=2, max_zero_share="0.4", max_changed_share="0.5")
    _judge_guard(rehearsal, dict.fromkeys(SKUS[:3], 0))


@item(
    "guard.small",
    "A change within the guards goes through.",
    "A guard that cries at everything is forced out of habit.",
)
def _guard_small(rehearsal: Rehearsal) -> None:
    _set(rehearsal, guard_from=2, max_changed_share="0.5", max_zero_share="0.3")
    rehearsal.count({SKUS[0]: 0, SKUS[1]: 3, SKUS[2]: 4})
    rehearsal.wait()
    rehearsal.compare_with_book()
