"""Entry point of the image: CONTAINER_TYPE picks the part, and only that part is imported."""

import os
import sys

from contract.env import PART_API, PART_BEAT, PART_FLOWER, PART_WORKER
from service.settings import Settings, SettingsError


def main() -> int:
    """Runs the part until it ends; the answer is the exit code, 2 for an environment that cannot be read."""
    try:
        settings = Settings.from_env(os.environ)
        return run_part(settings)
    except SettingsError as fault:
        sys.stderr.write(f"{fault}\n")
        return 2


def run_part(settings: Settings) -> int:
    if settings.part == PART_API:
        from service.api.serve import run_api

        return run_api(settings)
    if settings.part == PART_WORKER:
        from service.worker.main import run_worker

        return run_worker(settings)
    if settings.part == PART_BEAT:
        from service.worker.beat import run_beat

        return run_beat(settings)
    if settings.part == PART_FLOWER:
        from service.worker.flower import run_flower

        return run_flower(settings)
    parts = ", ".join((PART_API, PART_WORKER, PART_BEAT, PART_FLOWER))
    raise SettingsError(f"CONTAINER_TYPE takes one of {parts}, not {settings.part!r}")


if __name__ == "__main__":
    sys.exit(main())
