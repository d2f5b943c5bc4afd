"""Entry point of the image: CONTAINER_TYPE picks the part, or the command line names what an operator wants to do.

Only what runs is imported.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from contract.env import PART_API, PART_BEAT, PART_FLOWER, PART_WORKER
from service.settings import Settings, SettingsError
from service.worker.light_imports import without_unused

CANNOT_RUN: Final = 2
INTERRUPTED: Final = 130
VERIFY: Final = "verify"
RESTORE_LEGACY: Final = "restore-legacy"
_COMMANDS: Final = {
    VERIFY: "compare both registries, list what drifted (exit code 1 where something did)",
    RESTORE_LEGACY: "copy live users of the unified registry back into the legacy one",
}


def main(arguments: Sequence[str]) -> int:
    """Runs a part until it ends, or a command; the answer is the exit code, 2 for what cannot run at all."""
    command = arguments[0] if arguments else None
    try:
        settings = Settings.from_env(os.environ)
        return run_part(settings) if command is None else run_command(settings, arguments)
    except SettingsError as fault:
        sys.stderr.write(f"{fault}\n")
        return CANNOT_RUN


def run_command(settings: Settings, arguments: Sequence[str]) -> int:
    """verify: 0 no drift, 1 drift; restore-legacy: 0; 2: Valkey failed; 130: interrupted."""
    from redis.exceptions import RedisError

    from service.commands import restore_legacy, verify
    from service.logs import set_up_logs

    parser = argparse.ArgumentParser(
        prog="python -m service", description="Without a command: the part that CONTAINER_TYPE names."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module in ((VERIFY, verify), (RESTORE_LEGACY, restore_legacy)):
        parts = commands.add_parser(name, help=_COMMANDS[name], description=_COMMANDS[name])
        module.add_arguments(parts)
        parts.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    # The answer goes to people: of the logs only what they must know.
    set_up_logs("ERROR", secrets=settings.secrets)
    try:
        return int(options.run(settings, options))
    except (RedisError, OSError) as fault:
        sys.stderr.write(f"{options.command}: Valkey at {settings.valkey.url}: {fault}\n")
        return CANNOT_RUN
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return INTERRUPTED


def run_part(settings: Settings) -> int:
    if settings.part == PART_API:
        from service.api.serve import run_api

        return run_api(settings)
    if settings.part == PART_WORKER:
        with without_unused():
            from service.worker.main import run_worker

        return run_worker(settings)
    if settings.part == PART_BEAT:
        with without_unused():
            from service.worker.beat import run_beat

        return run_beat(settings)
    if settings.part == PART_FLOWER:
        from service.worker.flower import run_flower

        return run_flower(settings)
    parts = ", ".join((PART_API, PART_WORKER, PART_BEAT, PART_FLOWER))
    raise SettingsError(f"CONTAINER_TYPE takes one of {parts}, not {settings.part!r}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
