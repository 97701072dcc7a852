"""The directory's tables. Changes go through a migration in `migrations/versions`; a test compares the two.

Instants are epoch milliseconds. What may be undone is an instant or NULL (`disabled_at`), so that it also says since when.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    false,
)


class Names(TypeDecorator[tuple[str, ...]]):
    """A list of short texts in one cell; none is the empty one."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> list[str]:
        return list(value or ())

    def process_result_value(self, value: Any, _dialect: Dialect) -> tuple[str, ...]:
        return tuple(value or ())


SQLITE = "sqlite"
"""The dialect of a file of ours; any other is a server's."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("currency", String, nullable=False),
    Column("time_zone", String, nullable=False),
    Column("billing_day", Integer, nullable=False),
    Column("concurrency_limit", Integer),
    Column("full_ip", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("retention_days", Integer),
    Column("redactions", Names),
    Column("rollup_days", Integer),
    Column("credit_limit", BigInteger),
    Column("exchanges", Boolean, nullable=False, server_default=false()),
    Column("exchange_days", Integer),
)

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("email", String, unique=True),
    Column("name", String, nullable=False),
    Column("password", String),
    Column("created_at", BigInteger, nullable=False),
)

members = Table(
    "members",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id"), primary_key=True),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("role", String, nullable=False),
    Column("full_read", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("locked_at", BigInteger),
    Column("credit_limit", BigInteger),
    Index("ix_members_user_id", "user_id"),
)

groups = Table(
    "groups",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("permissions", Names, nullable=False),
    Column("credit_limit", BigInteger),
    Column("created_at", BigInteger, nullable=False),
)

group_members = Table(
    "group_members",
    metadata,
    Column("workspace_id", String, primary_key=True),
    Column("group_id", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    ForeignKeyConstraint(["workspace_id", "group_id"], ["groups.workspace_id", "groups.id"]),
)

service_accounts = Table(
    "service_accounts",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("credit_limit", BigInteger),
    Column("created_at", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("user_id", String),
    Column("label", String, nullable=False),
    Column("hint", String, nullable=False),
    Column("verifier", String, nullable=False, unique=True),
    Column("permissions", Names, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("disabled_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("allowed_ips", Names),
    Column("credit_limit", BigInteger),
    Column("tts_concurrency_limit", Integer),
    Column("dubbing_concurrency_limit", Integer),
    Column("music_concurrency_limit", Integer),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("url", String, nullable=False),
    Column("events", Names, nullable=False),
    Column("auth", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("auto_disabled", Boolean, nullable=False),
    Column("failed_at", BigInteger),
    Column("failed_status", Integer),
    Column("retry_enabled", Boolean, nullable=False, server_default=false()),
    Column("request_headers", Names),
)

labels = Table(
    "labels",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id"), primary_key=True),
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("verifier", String, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("user_agent", String, nullable=False),
    Column("address", String),
    Column("last_used_at", BigInteger),
    Index("ix_sessions_user_id", "user_id"),
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("email", String),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("user_id", "issuer"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("workspace_id", ForeignKey("workspaces.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("email", String, nullable=False),
    Column("role", String, nullable=False),
    Column("full_read", Boolean, nullable=False),
    Column("group_ids", Names, nullable=False),
    Column("credit_limit", BigInteger),
    Column("verifier", String, nullable=False, unique=True),
    Column("invited_by", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("accepted_at", BigInteger),
    Column("accepted_by", String),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("workspace_id", String),
    Column("time", BigInteger, nullable=False),
    Column("actor_kind", String, nullable=False),
    Column("actor_id", String, nullable=False),
    Column("address", String, nullable=False),
    Column("action", String, nullable=False),
    Column("target_kind", String, nullable=False),
    Column("target_id", String, nullable=False),
    Column("details", JSON, nullable=False),
    Index("ix_audit_log_workspace_id", "workspace_id", "time"),
)

operator_keys = Table(
    "operator_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("label", String, nullable=False),
    Column("hint", String, nullable=False),
    Column("verifier", String, nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
