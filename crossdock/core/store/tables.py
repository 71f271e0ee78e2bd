"""Every table, in the order of its story: accounts, goods, stock, offers, mapping, feeds, orders, journal, runs.

A status or state column holds the value of a closed enum of the module that owns the table. Times are aware UTC.
Amounts stand beside their currency. What is unique in the world is unique here, by the database.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from crossdock.core.store.types import Amount, Id, Json, Key, UtcTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _switch(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


# --- accounts --------------------------------------------------------------------------------------------------------

accounts = Table(
    "accounts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Key, nullable=False),
    Column("platform", Key, nullable=False),
    Column("settings", Json, nullable=False),
    Column("options", Json, nullable=False),
    _switch("armed"),
    _switch("orders"),
    _switch("accept"),
    _switch("decline"),
    _switch("stock"),
    _switch("prices"),
    _switch("feed"),
    Column("orders_not_before", UtcTime),
    Column("stopped_because", Text),
    Column("stopped_at", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("removed_at", UtcTime),
)
# A removed account keeps its history but gives its name free.
Index(
    "uq_accounts_name",
    accounts.c.name,
    unique=True,
    sqlite_where=accounts.c.removed_at.is_(None),
    postgresql_where=accounts.c.removed_at.is_(None),
)

secrets = Table(
    "secrets",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("field", Key, primary_key=True),
    Column("key", Key, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("at", UtcTime, nullable=False),
)

# What a key sealed for proof: a wrong key is found out before anything runs.
key_checks = Table(
    "key_checks",
    metadata,
    Column("key", Key, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("at", UtcTime, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("job", Key, primary_key=True),
    Column("cursor", Json),
    Column("sweep", Id, nullable=False, server_default=text("0")),
    Column("at", UtcTime, nullable=False),
)

rate_buckets = Table(
    "rate_buckets",
    metadata,
    Column("key", Key, primary_key=True),
    Column("state", Json),
    Column("blocked_until", UtcTime),
)

# --- goods -----------------------------------------------------------------------------------------------------------

products = Table(
    "products",
    metadata,
    Column("id", Id, primary_key=True),
    Column("code", Key, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("attributes", Json, nullable=False),
    Column("hash", Key, nullable=False),
)

variants = Table(
    "variants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sku", Key, nullable=False, unique=True),
    Column("product_id", Id, ForeignKey("products.id"), index=True),
    Column("name", Text, nullable=False),
    Column("gtin", Key, index=True),
    Column("price", Amount),
    Column("currency", Key),
    Column("vat_rates", Json, nullable=False),
    Column("attributes", Json, nullable=False),
    Column("hash", Key, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

# A bundle is as available as its scarcest part.
bundle_parts = Table(
    "bundle_parts",
    metadata,
    Column("bundle_id", Id, ForeignKey("variants.id"), primary_key=True),
    Column("part_id", Id, ForeignKey("variants.id"), primary_key=True, index=True),
    Column("quantity", Integer, nullable=False),
    CheckConstraint("quantity > 0", name="positive"),
)

imports = Table(
    "imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("file", Text, nullable=False),
    Column("began_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("counts", Json, nullable=False),
)

# The first faults of an import; `position` counts them from 1.
import_faults = Table(
    "import_faults",
    metadata,
    Column("import_id", Id, ForeignKey("imports.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("line", Integer, nullable=False),
    Column("field", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

# Which column of somebody's files is meant by which of ours.
column_maps = Table(
    "column_maps",
    metadata,
    Column("name", Key, primary_key=True),
    Column("columns", Json, nullable=False),
    Column("saved_at", UtcTime, nullable=False),
)

# --- stock -----------------------------------------------------------------------------------------------------------

warehouses = Table("warehouses", metadata, Column("name", Key, primary_key=True), Column("title", Text, nullable=False))

# Append-only. `on_hand` and `reserved` are what this move adds to each; a cause happens once.
stock_moves = Table(
    "stock_moves",
    metadata,
    Column("id", Id, primary_key=True),
    Column("variant_id", Id, ForeignKey("variants.id"), nullable=False),
    Column("warehouse", Key, ForeignKey("warehouses.name"), nullable=False),
    Column("kind", Key, nullable=False),
    Column("on_hand", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    Column("cause", Key, nullable=False, unique=True),
    Column("at", UtcTime, nullable=False),
    Column("line_id", Id, ForeignKey("order_lines.id"), index=True),
    Column("note", Text),
    Index(None, "variant_id", "warehouse", "at"),
)

# The sums of the moves, kept in the same transaction.
stock = Table(
    "stock",
    metadata,
    Column("variant_id", Id, ForeignKey("variants.id"), primary_key=True),
    Column("warehouse", Key, ForeignKey("warehouses.name"), primary_key=True),
    Column("on_hand", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
    CheckConstraint("reserved >= 0", name="reserved"),
    # When somebody last counted; until then the quantity is unknown, which is not zero.
    Column("counted_at", UtcTime),
)

# --- offers ----------------------------------------------------------------------------------------------------------

offers = Table(
    "offers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Key, ForeignKey("accounts.id"), nullable=False),
    Column("market", Key, nullable=False),
    Column("scope", Key, nullable=False),
    Column("variant_id", Id, ForeignKey("variants.id"), nullable=False, index=True),
    Column("remote_id", Key),
    Column("keys", Json, nullable=False),
    Column("state", Key, nullable=False),
    Column("exported_price", Amount),
    Column("exported_currency", Key),
    Column("exported_at", UtcTime),
    Column("ended_at", UtcTime),
    # The fields that a person gave by hand; they come before all rules.
    Column("own", Json, nullable=False, server_default=text("'{}'")),
    UniqueConstraint("account", "market", "scope", "variant_id"),
    Index(None, "account", "market", "id"),
    Index(None, "account", "market", "variant_id"),
    Index(None, "account", "remote_id"),
)

# What is to be told of each offer's stock. `version` goes up with every change, `sent_version` says which one went out.
offer_levels = Table(
    "offer_levels",
    metadata,
    Column("offer_id", Id, ForeignKey("offers.id"), primary_key=True),
    Column("warehouse", Key, primary_key=True),
    Column("account", Key, ForeignKey("accounts.id"), nullable=False),
    Column("version", Id, nullable=False),
    Column("sent_version", Id, nullable=False),
    Column("state", Key, nullable=False),
    Column("acknowledged", Integer),
    Column("code", Text),
    Column("words", Text),
    Column("changed_at", UtcTime, nullable=False),
    Column("sent_at", UtcTime),
)
Index("ix_offer_levels_pending", offer_levels.c.account, offer_levels.c.state, offer_levels.c.offer_id)

# --- mapping and prices ----------------------------------------------------------------------------------------------

# The platform's categories that the seller uses.
favourite_categories = Table(
    "favourite_categories",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("category", Key, primary_key=True),
    Column("path", Text, nullable=False),
)

# From one of the seller's own categories, or from one product, to the platform's category.
category_links = Table(
    "category_links",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("kind", Key, primary_key=True),
    Column("own", Key, primary_key=True),
    Column("category", Key, nullable=False),
)

lookups = Table(
    "lookups",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("name", Key, primary_key=True),
    Column("entries", Json, nullable=False),
)

# How a field of an offer is filled: the first rule that gives anything counts. An empty market stands for all.
rules = Table(
    "rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Key, ForeignKey("accounts.id"), nullable=False),
    Column("market", Key, nullable=False),
    Column("field", Key, nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", Key, nullable=False),
    Column("value", Json, nullable=False),
    UniqueConstraint("account", "market", "field", "position"),
)

# How a price comes out of the seller's own. An empty market stands for all that have no policy of their own.
price_policies = Table(
    "price_policies",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("market", Key, primary_key=True),
    Column("policy", Json, nullable=False),
)

group_prices = Table(
    "group_prices",
    metadata,
    Column("variant_id", Id, ForeignKey("variants.id"), primary_key=True),
    Column("price_group", Key, primary_key=True),
    Column("price", Amount, nullable=False),
    Column("currency", Key, nullable=False),
)

# What rules and prices make of an offer, kept so that a feed only has to read it.
resolved_offers = Table(
    "resolved_offers",
    metadata,
    Column("offer_id", Id, ForeignKey("offers.id"), primary_key=True),
    Column("account", Key, ForeignKey("accounts.id"), nullable=False),
    Column("market", Key, nullable=False),
    Column("variant_id", Id, ForeignKey("variants.id"), nullable=False, index=True),
    Column("fields", Json, nullable=False),
    Column("faults", Json, nullable=False),
    Column("explain", Json, nullable=False),
    Column("hash", Key, nullable=False),
    Column("resolved_at", UtcTime, nullable=False),
    Index(None, "account", "market", "offer_id"),
)

# Offers that have to be resolved anew; a mark that changes meanwhile stays.
resolve_marks = Table(
    "resolve_marks",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("variant_id", Id, ForeignKey("variants.id"), primary_key=True),
    Column("version", Id, nullable=False),
)

# --- feeds -----------------------------------------------------------------------------------------------------------

# An offers file behind a link. No token: nobody can fetch it.
feeds = Table(
    "feeds",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("market", Key, primary_key=True),
    Column("token", Key, unique=True),
    Column("token_at", UtcTime),
    Column("user", Key),
    Column("password", Key),  # a salted hash
    Column("current_version", Id),
    Column("warned_at", UtcTime),  # that nobody fetches it
)

feed_versions = Table(
    "feed_versions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Key, ForeignKey("accounts.id"), nullable=False),
    Column("market", Key, nullable=False),
    Column("state", Key, nullable=False),
    Column("reason", Text),
    Column("began_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("file", Text),
    Column("media_type", Text),
    Column("rows", Integer),
    Column("bytes", Id),
    Column("sha256", Key),
    Column("counts", Json, nullable=False),
    Index(None, "account", "market", "id"),
    sqlite_autoincrement=True,
)

# The rows of the current version: the last valid one of each offer, without its stock.
feed_rows = Table(
    "feed_rows",
    metadata,
    Column("offer_id", Id, ForeignKey("offers.id"), primary_key=True),
    Column("account", Key, ForeignKey("accounts.id"), nullable=False),
    Column("market", Key, nullable=False),
    Column("fields", Json, nullable=False),
    Column("hash", Key, nullable=False),
    Column("live_since", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Index(None, "account", "market", "offer_id"),
)

# Why offers are not in the current version, or in it as they were, or not for one of its markets.
feed_faults = Table(
    "feed_faults",
    metadata,
    Column("id", Id, primary_key=True),
    Column("offer_id", Id, ForeignKey("offers.id"), nullable=False, index=True),
    Column("account", Key, ForeignKey("accounts.id"), nullable=False),
    Column("market", Key, nullable=False),
    Column("effect", Key, nullable=False),
    Column("code", Key, nullable=False),
    Column("field", Key, nullable=False),
    Column("value", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Index(None, "account", "market", "id"),
)

feed_downloads = Table(
    "feed_downloads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Key, ForeignKey("accounts.id"), nullable=False),
    Column("market", Key, nullable=False),
    Column("version", Id, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("kind", Key, nullable=False),
    Column("status", Integer, nullable=False),
    Column("bytes", Id, nullable=False),
    Column("agent", Text, nullable=False),
    Column("address", Key, nullable=False),
    Index(None, "account", "market", "at"),
    sqlite_autoincrement=True,
)

# --- orders ----------------------------------------------------------------------------------------------------------

statuses = Table(
    "statuses",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Key, nullable=False, unique=True),
    Column("colour", Key, nullable=False),
    Column("meaning", Key, nullable=False),
    Column("position", Integer, nullable=False),
)

platform_statuses = Table(
    "platform_statuses",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("code", Key, primary_key=True),
    Column("label", Text, nullable=False),
    Column("meaning", Key),
    Column("settable", Boolean, nullable=False),
    Column("read_at", UtcTime, nullable=False),
)

# Inwards a code leads to one own status, outwards an own status to one code.
status_maps = Table(
    "status_maps",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("direction", Key, primary_key=True),
    Column("code", Key, primary_key=True),
    Column("status_id", Id, ForeignKey("statuses.id"), primary_key=True),
)
Index(
    "uq_status_maps_in",
    status_maps.c.account,
    status_maps.c.code,
    unique=True,
    sqlite_where=status_maps.c.direction == "in",
    postgresql_where=status_maps.c.direction == "in",
)
Index(
    "uq_status_maps_out",
    status_maps.c.account,
    status_maps.c.status_id,
    unique=True,
    sqlite_where=status_maps.c.direction == "out",
    postgresql_where=status_maps.c.direction == "out",
)

orders = Table(
    "orders",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Key, ForeignKey("accounts.id"), nullable=False),
    Column("scope", Key, nullable=False),
    Column("market", Key, nullable=False),
    Column("state", Key, nullable=False),
    Column("platform_status", Key, nullable=False),
    Column("status_id", Id, ForeignKey("statuses.id")),
    Column("meaning", Key),
    Column("currency", Key, nullable=False),
    Column("placed_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("decided_at", UtcTime),
    Column("changed_at", UtcTime, nullable=False),
    Column("sweep", Id, nullable=False, server_default=text("0")),
    Column("version", Integer, nullable=False),
    Column("content", Json, nullable=False),
    Column("hash", Key, nullable=False),
    Column("parked_code", Key),
    Column("parked_because", Text),
    Index(None, "account", "state", "placed_at"),
    Index(None, "placed_at"),
    sqlite_autoincrement=True,
)

order_ids = Table(
    "order_ids",
    metadata,
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("kind", Key, primary_key=True),
    Column("scope", Key, primary_key=True),
    Column("remote_id", Key, primary_key=True),
    Column("order_id", Id, ForeignKey("orders.id"), nullable=False, index=True),
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("id", Id, primary_key=True),
    Column("order_id", Id, ForeignKey("orders.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("remote_id", Key, nullable=False),
    Column("sku", Key),
    Column("gtin", Key),
    Column("product_id", Key),
    Column("name", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price", Amount, nullable=False),
    Column("currency", Key, nullable=False),
    Column("variant_id", Id, ForeignKey("variants.id"), index=True),
    Column("state", Key, nullable=False),
    Column("reason", Text),
    Column("vat_rate", Amount),
    Column("vat_source", Key),
    Column("net_price", Amount),
    # What the line holds now: units reserved at `warehouse`, units shipped, units cancelled or returned.
    Column("warehouse", Key, ForeignKey("warehouses.name")),
    Column("reserved", Integer, nullable=False),
    Column("shipped", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    _switch("short"),
    UniqueConstraint("order_id", "remote_id"),
    # Orders find their proposal again by the ids of its positions.
    Index(None, "remote_id"),
)
Index(
    "ix_order_lines_short",
    order_lines.c.variant_id,
    sqlite_where=order_lines.c.short.is_(True),
    postgresql_where=order_lines.c.short.is_(True),
)

order_versions = Table(
    "order_versions",
    metadata,
    Column("order_id", Id, ForeignKey("orders.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("difference", Json, nullable=False),
)

# Where an order was written on to, and which version of it; `stale` when it changed since.
order_copies = Table(
    "order_copies",
    metadata,
    Column("order_id", Id, ForeignKey("orders.id"), primary_key=True),
    Column("account", Key, ForeignKey("accounts.id"), primary_key=True),
    Column("remote_id", Key),
    Column("version", Integer, nullable=False),
    _switch("stale"),
    Column("at", UtcTime, nullable=False),
)

intents = Table(
    "intents",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Key, ForeignKey("accounts.id"), nullable=False),
    Column("verb", Key, nullable=False),
    Column("subject", Key, nullable=False),
    Column("order_id", Id, ForeignKey("orders.id"), index=True),
    Column("run_id", Id),
    Column("request", Json, nullable=False),
    Column("state", Key, nullable=False),
    Column("answer", Json),
    Column("words", Text),
    Column("made_at", UtcTime, nullable=False),
    Column("closed_at", UtcTime),
    Index(None, "account", "state"),
)
# One thing is attempted once at a time.
Index(
    "uq_intents_open",
    intents.c.account,
    intents.c.verb,
    intents.c.subject,
    unique=True,
    sqlite_where=intents.c.state.in_(["wanted", "open", "unclear"]),
    postgresql_where=intents.c.state.in_(["wanted", "open", "unclear"]),
)

# --- journal ---------------------------------------------------------------------------------------------------------

# Append-only; ids are given at commit, in the order of commits (see engine.Write).
journal = Table(
    "journal",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("account", Key, nullable=False),
    Column("order_id", Id, ForeignKey("orders.id"), index=True),
    Column("kind", Key, nullable=False),
    Column("actor", Key, nullable=False),
    Column("payload", Json, nullable=False),
    Column("payload_version", Integer, nullable=False),
    sqlite_autoincrement=True,
)

consumers = Table(
    "consumers",
    metadata,
    Column("name", Key, primary_key=True),
    Column("position", Id, nullable=False),
    Column("at", UtcTime, nullable=False),
)

# --- runs ------------------------------------------------------------------------------------------------------------

runs = Table(
    "runs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account", Key, nullable=False),
    Column("job", Key, nullable=False),
    Column("state", Key, nullable=False),
    _switch("again"),
    _switch("cancel"),
    _switch("force"),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    Column("asked_by", Key, nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    Column("not_before", UtcTime, nullable=False),
    Column("began_at", UtcTime),
    Column("heartbeat_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("owner", Key),
    Column("token", Integer, nullable=False, server_default=text("0")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("progress", Json),
    Column("checkpoint", Json),
    Column("counts", Json, nullable=False),
    Column("error", Text),
    Index(None, "account", "job", "ended_at"),
    sqlite_autoincrement=True,
)
Index(
    "uq_runs_flight",
    runs.c.account,
    runs.c.job,
    unique=True,
    sqlite_where=runs.c.state.in_(["queued", "running"]),
    postgresql_where=runs.c.state.in_(["queued", "running"]),
)
Index(
    "ix_runs_waiting",
    runs.c.state,
    runs.c.not_before,
    sqlite_where=runs.c.state.in_(["queued", "running"]),
    postgresql_where=runs.c.state.in_(["queued", "running"]),
)

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("run_id", Id, ForeignKey("runs.id"), index=True),
    Column("at", UtcTime, nullable=False),
    Column("account", Key, nullable=False),
    Column("level", Key, nullable=False),
    Column("code", Key, nullable=False),
    Column("item", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("advice", Text, nullable=False),
    Column("detail", Json),
    Index(None, "account", "at"),
    sqlite_autoincrement=True,
)

schedules = Table(
    "schedules",
    metadata,
    Column("account", Key, primary_key=True),
    Column("job", Key, primary_key=True),
    Column("every_seconds", Integer),
    Column("cron", Key),
    Column("time_zone", Key, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("next_run_at", UtcTime, nullable=False),
    CheckConstraint("(every_seconds IS NULL) <> (cron IS NULL)", name="one_rhythm"),
    Index(None, "enabled", "next_run_at"),
)
