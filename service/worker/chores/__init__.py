"""Chores that beat starts, a file each; `service.worker.chore` says how one is declared."""
