"""Which invoices of a replay may be proposed together: those among which the order cannot matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from crossdock.demo.invoices import Invoice, Line

Parts = Mapping[str, Mapping[str, int]]


def together(
    waiting: Sequence[Invoice], parts: Parts, free: Mapping[str, int], sold: Container[tuple[str, str]] = ()
) -> int:
    """Return how many of the first invoices may be proposed together.

    Units only become fewer while a batch is decided, or come back as many as they were. So a line that is not in stock
    now finds nothing whenever its turn comes, and all others find theirs if there is enough for all of them.
    A cancellation that may match a sale brings units back, and shares its goods with no other invoice.

    Args:
        waiting: invoices in the order of play.
        parts: what bundles are made of: units of each part, by SKU.
        free: units that can be sold now, by SKU, of all that has stock of its own.
        sold: customer and SKU of every earlier sale of which units can still be cancelled.
    """
    named: set[str] = set()
    returned: set[str] = set()
    wanted: Counter[str] = Counter()
    bought: set[tuple[str, str]] = set()
    for number, invoice in enumerate(waiting):
        keys = {(line.customer, line.sku) for line in invoice.lines}
        if invoice.cancels:
            returns = _goods((key for key in keys if key in sold or key in bought), parts)
            if returns & named:
                return number
            returned |= returns
        else:
            goods, wants = _goods(keys, parts), _wants(invoice, parts, free)
            if goods & returned or _compete(wants, wanted, free):
                return number
            named |= goods
            wanted += wants
            bought |= keys
    return len(waiting)


def _goods(keys: Iterable[tuple[str, str]], parts: Parts) -> set[str]:
    return {part for _, sku in keys for part in parts_of(sku, parts)}


def parts_of(sku: str, parts: Parts) -> Mapping[str, int]:
    """Return the units of each part that a unit of this needs: of a bundle its parts, of anything else itself."""
    return parts.get(sku, {sku: 1})


def _wants(invoice: Invoice, parts: Parts, free: Mapping[str, int]) -> Counter[str]:
    """Return the units that an invoice may get."""
    wants: Counter[str] = Counter()
    for line in invoice.lines:
        needs = _needs(line, parts)
        if line.is_sale and all(free.get(part, 0) >= units for part, units in needs.items()):
            wants.update(needs)
    return wants


def _needs(line: Line, parts: Parts) -> dict[str, int]:
    return {part: units * line.quantity for part, units in parts_of(line.sku, parts).items()}


def _compete(wants: Counter[str], wanted: Counter[str], free: Mapping[str, int]) -> bool:
    """Whether there is too little of what others want as well."""
    return any(part in wanted and wanted[part] + units > free[part] for part, units in wants.items())
