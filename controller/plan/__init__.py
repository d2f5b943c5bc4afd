"""Decisions: what to apply and remove, and what to say. Pure functions of what was observed; `now` is passed in."""
