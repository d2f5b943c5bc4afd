"""Manifests of the objects of a PinnokioService: pure `build_*` functions, one module a component."""
