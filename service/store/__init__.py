"""Valkey: every read and write of it. A change is one command or one single-key Lua script."""
