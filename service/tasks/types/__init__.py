"""The task types, a file each. docs/tasks.md shows how one is written."""
