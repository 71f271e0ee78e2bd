"""The goods: mapping, prices, resolved offers, feeds, column maps."""

import sqlalchemy as sa
from alembic import op

from crossdock.core.store.types import Amount, Id, Json, Key, UtcTime

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "column_maps",
        sa.Column("name", Key, nullable=False),
        sa.Column("columns", Json, nullable=False),
        sa.Column("saved_at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_column_maps"),
    )
    op.create_table(
        "category_links",
        sa.Column("account", Key, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("own", Key, nullable=False),
        sa.Column("category", Key, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_category_links_account"),
        sa.PrimaryKeyConstraint("account", "kind", "own", name="pk_category_links"),
    )
    op.create_table(
        "favourite_categories",
        sa.Column("account", Key, nullable=False),
        sa.Column("category", Key, nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_favourite_categories_account"),
        sa.PrimaryKeyConstraint("account", "category", name="pk_favourite_categories"),
    )
    op.create_table(
        "feed_downloads",
        sa.Column("id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("market", Key, nullable=False),
        sa.Column("version", Id, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("bytes", Id, nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("address", Key, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_feed_downloads_account"),
        sa.PrimaryKeyConstraint("id", name="pk_feed_downloads"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feed_downloads_account_market_at", "feed_downloads", ["account", "market", "at"], unique=False)
    op.create_table(
        "feed_versions",
        sa.Column("id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("market", Key, nullable=False),
        sa.Column("state", Key, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("began_at", UtcTime, nullable=False),
        sa.Column("ended_at", UtcTime, nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("bytes", Id, nullable=True),
        sa.Column("sha256", Key, nullable=True),
        sa.Column("counts", Json, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_feed_versions_account"),
        sa.PrimaryKeyConstraint("id", name="pk_feed_versions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feed_versions_account_market_id", "feed_versions", ["account", "market", "id"], unique=False)
    op.create_table(
        "feeds",
        sa.Column("account", Key, nullable=False),
        sa.Column("market", Key, nullable=False),
        sa.Column("token", Key, nullable=True),
        sa.Column("token_at", UtcTime, nullable=True),
        sa.Column("user", Key, nullable=True),
        sa.Column("password", Key, nullable=True),
        sa.Column("current_version", Id, nullable=True),
        sa.Column("warned_at", UtcTime, nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_feeds_account"),
        sa.PrimaryKeyConstraint("account", "market", name="pk_feeds"),
        sa.UniqueConstraint("token", name="uq_feeds_token"),
    )
    op.create_table(
        "import_faults",
        sa.Column("import_id", Id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name="fk_import_faults_import_id"),
        sa.PrimaryKeyConstraint("import_id", "position", name="pk_import_faults"),
    )
    op.create_table(
        "lookups",
        sa.Column("account", Key, nullable=False),
        sa.Column("name", Key, nullable=False),
        sa.Column("entries", Json, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_lookups_account"),
        sa.PrimaryKeyConstraint("account", "name", name="pk_lookups"),
    )
    op.create_table(
        "price_policies",
        sa.Column("account", Key, nullable=False),
        sa.Column("market", Key, nullable=False),
        sa.Column("policy", Json, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_price_policies_account"),
        sa.PrimaryKeyConstraint("account", "market", name="pk_price_policies"),
    )
    op.create_table(
        "rules",
        sa.Column("id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("market", Key, nullable=False),
        sa.Column("field", Key, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", Key, nullable=False),
        sa.Column("value", Json, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_rules_account"),
        sa.PrimaryKeyConstraint("id", name="pk_rules"),
        sa.UniqueConstraint("account", "market", "field", "position", name="uq_rules_account_market_field_position"),
    )
    op.create_table(
        "group_prices",
        sa.Column("variant_id", Id, nullable=False),
        sa.Column("price_group", Key, nullable=False),
        sa.Column("price", Amount, nullable=False),
        sa.Column("currency", Key, nullable=False),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name="fk_group_prices_variant_id"),
        sa.PrimaryKeyConstraint("variant_id", "price_group", name="pk_group_prices"),
    )
    op.create_table(
        "resolve_marks",
        sa.Column("account", Key, nullable=False),
        sa.Column("variant_id", Id, nullable=False),
        sa.Column("version", Id, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_resolve_marks_account"),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name="fk_resolve_marks_variant_id"),
        sa.PrimaryKeyConstraint("account", "variant_id", name="pk_resolve_marks"),
    )
    op.create_table(
        "feed_faults",
        sa.Column("id", Id, nullable=False),
        sa.Column("offer_id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("market", Key, nullable=False),
        sa.Column("effect", Key, nullable=False),
        sa.Column("code", Key, nullable=False),
        sa.Column("field", Key, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("remedy", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_feed_faults_account"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name="fk_feed_faults_offer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_feed_faults"),
    )
    op.create_index("ix_feed_faults_account_market_id", "feed_faults", ["account", "market", "id"], unique=False)
    op.create_index("ix_feed_faults_offer_id", "feed_faults", ["offer_id"], unique=False)
    op.create_table(
        "feed_rows",
        sa.Column("offer_id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("market", Key, nullable=False),
        sa.Column("fields", Json, nullable=False),
        sa.Column("hash", Key, nullable=False),
        sa.Column("live_since", UtcTime, nullable=False),
        sa.Column("ended_at", UtcTime, nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_feed_rows_account"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name="fk_feed_rows_offer_id"),
        sa.PrimaryKeyConstraint("offer_id", name="pk_feed_rows"),
    )
    op.create_index(
        "ix_feed_rows_account_market_offer_id", "feed_rows", ["account", "market", "offer_id"], unique=False
    )
    op.create_table(
        "resolved_offers",
        sa.Column("offer_id", Id, nullable=False),
        sa.Column("account", Key, nullable=False),
        sa.Column("market", Key, nullable=False),
        sa.Column("variant_id", Id, nullable=False),
        sa.Column("fields", Json, nullable=False),
        sa.Column("faults", Json, nullable=False),
        sa.Column("explain", Json, nullable=False),
        sa.Column("hash", Key, nullable=False),
        sa.Column("resolved_at", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name="fk_resolved_offers_account"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name="fk_resolved_offers_offer_id"),
        sa.ForeignKeyConstraint(["variant_id"], ["variants.id"], name="fk_resolved_offers_variant_id"),
        sa.PrimaryKeyConstraint("offer_id", name="pk_resolved_offers"),
    )
    op.create_index(
        "ix_resolved_offers_account_market_offer_id", "resolved_offers", ["account", "market", "offer_id"], unique=False
    )
    op.create_index("ix_resolved_offers_variant_id", "resolved_offers", ["variant_id"], unique=False)
    op.add_column("offers", sa.Column("ended_at", UtcTime, nullable=True))
    op.create_index("ix_offers_account_market_id", "offers", ["account", "market", "id"], unique=False)
