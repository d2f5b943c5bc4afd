"""Tests of the importer, on task definitions of the project's own making (account 111122223333, no real secret)."""
