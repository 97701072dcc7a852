"""From bytes of a known format to single events as JSON. No files, no network, no store."""
