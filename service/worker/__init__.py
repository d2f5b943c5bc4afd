"""Celery workers and beat: they run the task types of `service.tasks`, and the chores of `chores/`."""
