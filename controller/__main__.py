"""`python -m controller`: runs the operator until it is told to stop. Settings: controller.settings."""

import asyncio
import logging
import os
import sys

import kopf

from controller.handlers.operator import run_operator
from controller.settings import Settings, SettingsError


def main() -> int:
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    kopf.configure(log_format=kopf.LogFormat.JSON)
    logging.getLogger().setLevel(settings.log_level)
    # kopf tells every event that it hands on, aiohttp every probe.
    for chatty in ("kopf", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    asyncio.run(run_operator(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
