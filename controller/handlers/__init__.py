"""From an event to a reconcile: kopf's handlers, the queue between, and gather → plan → apply → status."""
