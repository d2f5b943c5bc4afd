"""A real Prometheus for tests: Debian's, unpacked into the cache where it is not installed."""
