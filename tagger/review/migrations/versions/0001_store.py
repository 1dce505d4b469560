"""The first tables: items, opinions, the log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
APPEND_ONLY = "the log is append-only"


def upgrade() -> None:
    """Make the tables, and refuse changes of the log."""
    op.create_table(
        "batches",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("source", "text_columns", "id_column", "added_at")),
    )
    op.create_table(
        "items",
        sa.Column("id", ID, primary_key=True, autoincrement=True),
        sa.Column("item_key", sa.Text, nullable=False, unique=True),
        sa.Column("batch", sa.Text, sa.ForeignKey("batches.name"), nullable=False),
        sa.Column("row_number", sa.Integer, nullable=False),
        *_texts("row_id text text_hash row_hash lang outcome category codes reasons"),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("margin", sa.Float),
        *_texts("legal_status announcement model_id rules_id as_of"),
        sa.Column("risk", sa.Float, nullable=False),
        sa.Column("suspected", sa.Boolean, nullable=False),
        *_texts("state stage"),
        sa.Column("waiting", sa.Boolean, nullable=False),
        *_texts("claimed_by claimed_at claimed_until assigned_to answer answer_outcome decided_by decided_at", default=""),
    )
    op.create_table(
        "findings",
        sa.Column("item_id", ID, sa.ForeignKey("items.id"), primary_key=True),
        *_texts("questions evidence quantities clauses probabilities note"),
    )
    op.create_index("items_queue", "items", ["waiting", sa.text("risk DESC"), "id"])
    op.create_index("items_stage", "items", ["waiting", "stage", sa.text("risk DESC"), "id"])
    op.create_index("items_category", "items", ["waiting", "category", sa.text("risk DESC"), "id"])
    op.create_index("items_batch", "items", ["batch", "row_number"])
    op.create_index("items_text", "items", ["text_hash", "rules_id"])
    op.create_index("items_answered", "items", ["category", "decided_at"])
    op.create_table(
        "item_tags",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("item_id", ID, sa.ForeignKey("items.id"), primary_key=True),
    )
    op.create_index("item_tags_item", "item_tags", ["item_id"])
    op.create_table(
        "counts",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
    )
    op.create_table(
        "opinions",
        sa.Column("item_id", ID, sa.ForeignKey("items.id"), primary_key=True),
        sa.Column("stage", sa.Text, primary_key=True),
        *_texts("who at answer"),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.UniqueConstraint("item_id", "who", name="opinions_one_each"),
    )
    op.create_index("opinions_at", "opinions", ["at"])
    op.create_index("opinions_who", "opinions", ["who", "at"])
    op.create_table(
        "skips",
        sa.Column("item_id", ID, sa.ForeignKey("items.id"), primary_key=True),
        sa.Column("who", sa.Text, primary_key=True),
        *_texts("at"),
    )
    op.create_table(
        "events",
        sa.Column("seq", ID, primary_key=True, autoincrement=False),
        sa.Column("item_id", ID),
        *_texts("at who action why before after model_id rules_id prev_hash hash"),
    )
    op.create_index("events_item", "events", ["item_id", "seq"])
    op.create_table(
        "log_head",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("seq", ID, nullable=False),
        *_texts("hash"),
    )
    op.create_table("settings", sa.Column("id", sa.Integer, primary_key=True), *_texts("body"))
    op.execute("INSERT INTO log_head (id, seq, hash) VALUES (1, 0, '')")
    _guard_the_log()


def _texts(names: str, default: str | None = None) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False, server_default=default) for name in names.split()]


def _guard_the_log() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER events_no_{verb.lower()} BEFORE {verb} ON events BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{APPEND_ONLY}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION events_append_only()"
    )
