"""A one-node Kubernetes built from source, in a network namespace of its own."""
