"""What a PinnokioService says, what was observed of it, and what is told about it: frozen values, no I/O."""
