"""Chores that beat starts."""
