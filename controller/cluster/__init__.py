"""Everything that talks to the API server or to Valkey: reads, watches, server-side apply, events, publication."""
