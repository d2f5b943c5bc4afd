"""The operator: turns one PinnokioService into an API, workers, beat and Valkey on Kubernetes.

Layers, each importing only what stands to its right: handlers → (cluster | plan) → manifests → model.
"""
