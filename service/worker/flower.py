"""Runs Flower, Celery's web page, on the same broker. It shows users' task ids: without a password it does not start.

Flower reads its own variables (FLOWER_BASIC_AUTH=user:password, FLOWER_PORT, default 5555, …).
"""

import os
from typing import Final, NoReturn

from service.logs import set_up_logs
from service.settings import Settings, SettingsError
from service.worker.app import make_app

PASSWORD: Final = "FLOWER_BASIC_AUTH"


def run_flower(settings: Settings) -> NoReturn:
    """Serves until TERM. Raises SettingsError where no password is set."""
    if ":" not in os.environ.get(PASSWORD, ""):
        raise SettingsError(f"{PASSWORD} takes user:password; Flower is not served without one")
    set_up_logs(settings.log_level)
    make_app(settings).start(["flower"])
