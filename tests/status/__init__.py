"""/status in a real browser: what a person sees of a running service."""
