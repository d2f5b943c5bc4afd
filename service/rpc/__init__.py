"""Namespaces, and how a call finds and runs its method."""
