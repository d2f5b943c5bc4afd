"""From an ECS task definition to a PinnokioService: `python -m controller.ecs import TASKDEF.json`.

Everything but `__main__` is pure: text in, text out. Nothing is asked of AWS or of a cluster.
"""
