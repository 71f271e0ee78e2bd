"""The first schema: accounts, goods, stock, offers, orders, journal, runs."""

import sqlalchemy as sa
from alembic import op

from crossdock.core.store.types import Amount, Id, Json, Key, UtcTime

revision = "0001"
down_revision = None


def upgrade() -> None:  # noqa: PLR0915 - every table there is
    op.create_table(
        "accounts",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("platform", Key, nullable=False),
        sa.Column("settings", Json, nullable=False),
        sa.Column("options", Json, nullable=False),
        sa.Column("armed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("orders", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("accept", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("decline", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("stock", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("prices", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("feed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("orders_not_before", UtcTime),
        sa.Column("stopped_because", sa.Text()),
        sa.Column("stopped_at", UtcTime),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("removed_at", UtcTime),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
    )
    op.create_index(
        "uq_accounts_name",
        "accounts",
        ["name"],
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )

    op.create_table(
        "consumers",
        sa.Column("name", Key, nullable=False),
        sa.Column("position", Id, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_consumers"),
    )

    op.create_table(
        "imports",
        sa.Column("id", Id, nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("began_at", UtcTime, nullable=False),
        sa.Column("ended_at", UtcTime),
        sa.Column("counts", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )

    op.create_table(
        "key_checks",
        sa.Column("key", Key, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_key_checks"),
    )

    op.create_table(
        "products",
        sa.Column("id", Id, nullable=False),
        sa.Column("code", Key, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("hash", Key, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        sa.UniqueConstraint("code", name="uq_products_code"),
    )

    op.create_table(
        "rate_buckets",
        sa.Column("key", Key, nullable=False),
        sa.Column("state", Json),
        sa.Column("blocked_until", UtcTime),
        sa.PrimaryKeyConstraint("key", name="pk_rate_buckets"),
    )

    op.create_table(
        "runs",
        sa.Column("id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("job", Key, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("again", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("cancel", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("force", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("asked_by", Key, nullable=False),
        sa.Column("asked_at", UtcTime, nullable=False),
        sa.Column("not_before", UtcTime, nullable=False),
        sa.Column("began_at", UtcTime),
        sa.Column("heartbeat_at", UtcTime),
        sa.Column("ended_at", UtcTime),
        sa.Column("owner", Key),
        sa.Column("token", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("progress", Json),
        sa.Column("checkpoint", Json),
        sa.Column("counts", Json, nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_account_job_ended_at", "runs", ["account", "job", "ended_at"])
    op.create_index(
        "ix_runs_waiting",
        "runs",
        ["state", "not_before"],
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_index(
        "uq_runs_flight",
        "runs",
        ["account", "job"],
        unique=True,
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )

    op.create_table(
        "schedules",
        sa.Column("account", Key, nullable=False),
        sa.Column("job", Key, nullable=False),
        sa.Column("every_seconds", sa.Integer()),
        sa.Column("cron", Key),
        sa.Column("time_zone", Key, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("next_run_at", UtcTime, nullable=False),
        sa.CheckConstraint("(every_seconds IS NULL) <> (cron IS NULL)", name=op.f("ck_schedules_one_rhythm")),
        sa.PrimaryKeyConstraint("account", "job", name="pk_schedules"),
    )
    op.create_index("ix_schedules_enabled_next_run_at", "schedules", ["enabled", "next_run_at"])

    op.create_table(
        "statuses",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("colour", Key, nullable=False),
        sa.Column("meaning", Key, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_statuses"),
        sa.UniqueConstraint("name", name="uq_statuses_name"),
    )

    op.create_table(
        "warehouses",
        sa.Column("name", Key, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_warehouses"),
    )

    op.create_table(
        "cursors",
        sa.Column("account", Key, nullable=False),
        sa.Column("job", Key, nullable=False),
        sa.Column("cursor", Json),
        sa.Column("sweep", Id, server_default=sa.text("0"), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_cursors_account"),
        sa.PrimaryKeyConstraint("account", "job", name="pk_cursors"),
    )

    op.create_table(
        "events",
        sa.Column("id", Id, nullable=False),
        sa.Column("run_id", Id),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("level", Key, nullable=False),
        sa.Column("code", Key, nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("advice", sa.Text(), nullable=False),
        sa.Column("detail", Json),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_events_run_id"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_account_at", "events", ["account", "at"])
    op.create_index("ix_events_run_id", "events", ["run_id"])

    op.create_table(
        "orders",
        sa.Column("id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("scope", Key, nullable=False),
        sa.Column("market", Key, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("platform_status", Key, nullable=False),
        sa.Column("status_id", Id),
        sa.Column("meaning", Key),
        sa.Column("currency", Key, nullable=False),
        sa.Column("placed_at", UtcTime, nullable=False),
        sa.Column("seen_at", UtcTime, nullable=False),
        sa.Column("decided_at", UtcTime),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.Column("sweep", Id, server_default=sa.text("0"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("hash", Key, nullable=False),
        sa.Column("parked_code", Key),
        sa.Column("parked_because", sa.Text()),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_orders_account"),
        sa.ForeignKeyConstraint(["status_id"], ["statuses.id"], name="fk_orders_status_id"),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_orders_account_state_placed_at", "orders", ["account", "state", "placed_at"])
    op.create_index("ix_orders_placed_at", "orders", ["placed_at"])

    op.create_table(
        "platform_statuses",
        sa.Column("account", Key, nullable=False),
        sa.Column("code", Key, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("meaning", Key),
        sa.Column("settable", sa.Boolean(), nullable=False),
        sa.Column("read_at", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_platform_statuses_account"),
        sa.PrimaryKeyConstraint("account", "code", name="pk_platform_statuses"),
    )

    op.create_table(
        "secrets",
        sa.Column("account", Key, nullable=False),
        sa.Column("field", Key, nullable=False),
        sa.Column("key", Key, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_secrets_account"),
        sa.PrimaryKeyConstraint("account", "field", name="pk_secrets"),
    )

    op.create_table(
        "status_maps",
        sa.Column("account", Key, nullable=False),
        sa.Column("direction", Key, nullable=False),
        sa.Column("code", Key, nullable=False),
        sa.Column("status_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_status_maps_account"),
        sa.ForeignKeyConstraint(["status_id"], ["statuses.id"], name="fk_status_maps_status_id"),
        sa.PrimaryKeyConstraint("account", "direction", "code", "status_id", name="pk_status_maps"),
    )
    op.create_index(
        "uq_status_maps_in",
        "status_maps",
        ["account", "code"],
        unique=True,
        sqlite_where=sa.text("direction = 'in'"),
        postgresql_where=sa.text("direction = 'in'"),
    )
    op.create_index(
        "uq_status_maps_out",
        "status_maps",
        ["account", "status_id"],
        unique=True,
        sqlite_where=sa.text("direction = 'out'"),
        postgresql_where=sa.text("direction = 'out'"),
    )

    op.create_table(
        "variants",
        sa.Column("id", Id, nullable=False),
        sa.Column("sku", Key, nullable=False),
        sa.Column("product_id", Id),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("gtin", Key),
        sa.Column("price", Amount),
        sa.Column("currency", Key),
        sa.Column("vat_rates", Json, nullable=False),
        sa.Column("attributes", Json, nullable=False),
        sa.Column("hash", Key, nullable=False),
        sa.Column("updated_at", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["products.id"], name="fk_variants_product_id"),
        sa.PrimaryKeyConstraint("id", name="pk_variants"),
        sa.UniqueConstraint("sku", name="uq_variants_sku"),
    )
    op.create_index("ix_variants_gtin", "variants", ["gtin"])
    op.create_index("ix_variants_product_id", "variants", ["product_id"])

    op.create_table(
        "bundle_parts",
        sa.Column("bundle_id", Id, nullable=False),
        sa.Column("part_id", Id, nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_bundle_parts_positive")),
        sa.ForeignKeyConstraint(["bundle_id"], ["variants.id"], name="fk_bundle_parts_bundle_id"),
        sa.ForeignKeyConstraint(["part_id"], ["variants.id"], name="fk_bundle_parts_part_id"),
        sa.PrimaryKeyConstraint("bundle_id", "part_id", name="pk_bundle_parts"),
    )
    op.create_index("ix_bundle_parts_part_id", "bundle_parts", ["part_id"])

    op.create_table(
        "intents",
        sa.Column("id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("verb", Key, nullable=False),
        sa.Column("subject", Key, nullable=False),
        sa.Column("order_id", Id),
        sa.Column("run_id", Id),
        sa.Column("request", Json, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("answer", Json),
        sa.Column("words", sa.Text()),
        sa.Column("made_at", UtcTime, nullable=False),
        sa.Column("closed_at", UtcTime),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_intents_account"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_intents_order_id"),
        sa.PrimaryKeyConstraint("id", name="pk_intents"),
    )
    op.create_index("ix_intents_account_state", "intents", ["account", "state"])
    op.create_index("ix_intents_order_id", "intents", ["order_id"])
    op.create_index(
        "uq_intents_open",
        "intents",
        ["account", "verb", "subject"],
        unique=True,
        sqlite_where=sa.text("state IN ('wanted', 'open', 'unclear')"),
        postgresql_where=sa.text("state IN ('wanted', 'open', 'unclear')"),
    )

    op.create_table(
        "journal",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("order_id", Id),
        sa.Column("kind", Key, nullable=False),
        sa.Column("actor", Key, nullable=False),
        sa.Column("payload", Json, nullable=False),
        sa.Column("payload_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_journal_order_id"),
        sa.PrimaryKeyConstraint("id", name="pk_journal"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_order_id", "journal", ["order_id"])

    op.create_table(
        "offers",
        sa.Column("id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("market", Key, nullable=False),
        sa.Column("scope", Key, nullable=False),
        sa.Column("variant_id", Id, nullable=False),
        sa.Column("remote_id", Key),
        sa.Column("keys", Json, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("exported_price", Amount),
        sa.Column("exported_currency", Key),
        sa.Column("exported_at", UtcTime),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_offers_account"),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name="fk_offers_variant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_offers"),
        sa.UniqueConstraint(
            "account", "market", "scope", "variant_id", name="uq_offers_account_market_scope_variant_id"
        ),
    )
    op.create_index("ix_offers_account_remote_id", "offers", ["account", "remote_id"])
    op.create_index("ix_offers_variant_id", "offers", ["variant_id"])

    op.create_table(
        "order_copies",
        sa.Column("order_id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("remote_id", Key),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("stale", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_order_copies_account"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_order_copies_order_id"),
        sa.PrimaryKeyConstraint("order_id", "account", name="pk_order_copies"),
    )

    op.create_table(
        "order_ids",
        sa.Column("account", Key, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("scope", Key, nullable=False),
        sa.Column("remote_id", Key, nullable=False),
        sa.Column("order_id", Id, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_order_ids_account"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_order_ids_order_id"),
        sa.PrimaryKeyConstraint("account", "kind", "scope", "remote_id", name="pk_order_ids"),
    )
    op.create_index("ix_order_ids_order_id", "order_ids", ["order_id"])

    op.create_table(
        "order_lines",
        sa.Column("id", Id, nullable=False),
        sa.Column("order_id", Id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("remote_id", Key, nullable=False),
        sa.Column("sku", Key),
        sa.Column("gtin", Key),
        sa.Column("product_id", Key),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price", Amount, nullable=False),
        sa.Column("currency", Key, nullable=False),
        sa.Column("variant_id", Id),
        sa.Column("state", Key, nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("vat_rate", Amount),
        sa.Column("vat_source", Key),
        sa.Column("net_price", Amount),
        sa.Column("warehouse", Key),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("shipped", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("short", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_order_lines_order_id"),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name="fk_order_lines_variant_id"),
        sa.ForeignKeyConstraint(["warehouse"], ["warehouses.name"], name="fk_order_lines_warehouse"),
        sa.PrimaryKeyConstraint("id", name="pk_order_lines"),
        sa.UniqueConstraint("order_id", "remote_id", name="uq_order_lines_order_id_remote_id"),
    )
    op.create_index("ix_order_lines_remote_id", "order_lines", ["remote_id"])
    op.create_index(
        "ix_order_lines_short",
        "order_lines",
        ["variant_id"],
        sqlite_where=sa.text("short IS 1"),
        postgresql_where=sa.text("short IS true"),
    )
    op.create_index("ix_order_lines_variant_id", "order_lines", ["variant_id"])

    op.create_table(
        "order_versions",
        sa.Column("order_id", Id, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("difference", Json, nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_order_versions_order_id"),
        sa.PrimaryKeyConstraint("order_id", "version", name="pk_order_versions"),
    )

    op.create_table(
        "stock",
        sa.Column("variant_id", Id, nullable=False),
        sa.Column("warehouse", Key, nullable=False),
        sa.Column("on_hand", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("counted_at", UtcTime),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_stock_reserved")),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name="fk_stock_variant_id"),
        sa.ForeignKeyConstraint(["warehouse"], ["warehouses.name"], name="fk_stock_warehouse"),
        sa.PrimaryKeyConstraint("variant_id", "warehouse", name="pk_stock"),
    )

    op.create_table(
        "offer_levels",
        sa.Column("offer_id", Id, nullable=False),
        sa.Column("warehouse", Key, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("version", Id, nullable=False),
        sa.Column("sent_version", Id, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("acknowledged", sa.Integer()),
        sa.Column("code", sa.Text()),
        sa.Column("words", sa.Text()),
        sa.Column("changed_at", UtcTime, nullable=False),
        sa.Column("sent_at", UtcTime),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_offer_levels_account"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name="fk_offer_levels_offer_id"),
        sa.PrimaryKeyConstraint("offer_id", "warehouse", name="pk_offer_levels"),
    )
    op.create_index("ix_offer_levels_pending", "offer_levels", ["account", "state", "offer_id"])

    op.create_table(
        "stock_moves",
        sa.Column("id", Id, nullable=False),
        sa.Column("variant_id", Id, nullable=False),
        sa.Column("warehouse", Key, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("on_hand", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.Integer(), nullable=False),
        sa.Column("cause", Key, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("line_id", Id),
        sa.Column("note", sa.Text()),
        sa.ForeignKeyConstraint(["line_id"], ["order_lines.id"], name="fk_stock_moves_line_id"),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name="fk_stock_moves_variant_id"),
        sa.ForeignKeyConstraint(["warehouse"], ["warehouses.name"], name="fk_stock_moves_warehouse"),
        sa.PrimaryKeyConstraint("id", name="pk_stock_moves"),
        sa.UniqueConstraint("cause", name="uq_stock_moves_cause"),
    )
    op.create_index("ix_stock_moves_line_id", "stock_moves", ["line_id"])
    op.create_index("ix_stock_moves_variant_id_warehouse_at", "stock_moves", ["variant_id", "warehouse", "at"])
