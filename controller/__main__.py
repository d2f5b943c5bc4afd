"""`python -m controller`: runs the operator until it is told to stop. Settings: controller.settings."""

import asyncio
import os
import sys

from controller.handlers.operator import run_operator
from controller.logs import set_up_logs
from controller.settings import Settings, SettingsError


def main() -> int:
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    set_up_logs(settings.log_level)
    asyncio.run(run_operator(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
