"""The event store: ClickHouse, inside the process (chDB) or on a server. The driver is imported in `clickhouse` only."""
