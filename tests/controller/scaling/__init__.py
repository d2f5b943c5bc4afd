"""Scaling and draining of workers on the real cluster."""
