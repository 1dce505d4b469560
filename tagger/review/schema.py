"""Tables of the review store. A change here needs a migration; a test compares the two."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("text_columns", sa.Text, nullable=False),
    sa.Column("id_column", sa.Text, nullable=False),
    sa.Column("added_at", sa.Text, nullable=False),
)

items = sa.Table(
    "items",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("item_key", sa.Text, nullable=False, unique=True),
    sa.Column("batch", sa.Text, sa.ForeignKey("batches.name"), nullable=False),
    sa.Column("row_number", sa.Integer, nullable=False),
    sa.Column("row_id", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("text_hash", sa.Text, nullable=False),
    sa.Column("row_hash", sa.Text, nullable=False),
    sa.Column("lang", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("codes", sa.Text, nullable=False),
    sa.Column("reasons", sa.Text, nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("margin", sa.Float),
    sa.Column("legal_status", sa.Text, nullable=False),
    sa.Column("announcement", sa.Text, nullable=False),
    sa.Column("model_id", sa.Text, nullable=False),
    sa.Column("rules_id", sa.Text, nullable=False),
    sa.Column("as_of", sa.Text, nullable=False),
    sa.Column("risk", sa.Float, nullable=False),
    sa.Column("suspected", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("waiting", sa.Boolean, nullable=False),
    sa.Column("claimed_by", sa.Text, nullable=False, server_default=""),
    sa.Column("claimed_at", sa.Text, nullable=False, server_default=""),
    sa.Column("claimed_until", sa.Text, nullable=False, server_default=""),
    sa.Column("assigned_to", sa.Text, nullable=False, server_default=""),
    sa.Column("answer", sa.Text, nullable=False, server_default=""),
    sa.Column("answer_outcome", sa.Text, nullable=False, server_default=""),
    sa.Column("decided_by", sa.Text, nullable=False, server_default=""),
    sa.Column("decided_at", sa.Text, nullable=False, server_default=""),
)
# What is only looked at one item at a time stands apart, so that the queue is quick to read through.
findings = sa.Table(
    "findings",
    metadata,
    sa.Column("item_id", _ID, sa.ForeignKey("items.id"), primary_key=True),
    *(
        sa.Column(name, sa.Text, nullable=False)
        for name in ("questions", "evidence", "quantities", "clauses", "probabilities", "note")
    ),
)
sa.Index("items_queue", items.c.waiting, items.c.risk.desc(), items.c.id)
sa.Index("items_stage", items.c.waiting, items.c.stage, items.c.risk.desc(), items.c.id)
sa.Index("items_category", items.c.waiting, items.c.category, items.c.risk.desc(), items.c.id)
sa.Index("items_batch", items.c.batch, items.c.row_number)
sa.Index("items_text", items.c.text_hash, items.c.rules_id)
sa.Index("items_answered", items.c.category, items.c.decided_at)

tags = sa.Table(
    "item_tags",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
    sa.Column("item_id", _ID, sa.ForeignKey("items.id"), primary_key=True),
)
sa.Index("item_tags_item", tags.c.item_id)

# How many items there are of each value to filter by, kept with every change: counting a long queue takes too long for a page.
counts = sa.Table(
    "counts",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
    sa.Column("n", sa.Integer, nullable=False),
)

opinions = sa.Table(
    "opinions",
    metadata,
    sa.Column("item_id", _ID, sa.ForeignKey("items.id"), primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.UniqueConstraint("item_id", "who", name="opinions_one_each"),
)
sa.Index("opinions_at", opinions.c.at)
sa.Index("opinions_who", opinions.c.who, opinions.c.at)

skips = sa.Table(
    "skips",
    metadata,
    sa.Column("item_id", _ID, sa.ForeignKey("items.id"), primary_key=True),
    sa.Column("who", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", _ID, primary_key=True, autoincrement=False),
    sa.Column("item_id", _ID),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("before", sa.Text, nullable=False),
    sa.Column("after", sa.Text, nullable=False),
    sa.Column("model_id", sa.Text, nullable=False),
    sa.Column("rules_id", sa.Text, nullable=False),
    sa.Column("prev_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
sa.Index("events_item", events.c.item_id, events.c.seq)

# One row: the last line of the log. Who appends holds it locked, so that the chain has one order.
head = sa.Table(
    "log_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("seq", _ID, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

settings = sa.Table(
    "settings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)
