"""Celery workers and beat. A task type is one file under `tasks/`; everything else here serves it."""
