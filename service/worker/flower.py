"""Runs Flower, Celery's web page, on the same broker. It shows users' task ids: without a password it does not start.

Flower reads its own variables: FLOWER_BASIC_AUTH=user:password, FLOWER_PORT (5555), FLOWER_URL_PREFIX, … Broker, TLS
and key prefix are those of the workers.
"""

import os
from typing import Final, NoReturn

import structlog

from service.logs import set_up_logs
from service.settings import Settings, SettingsError
from service.worker.app import make_app

log = structlog.get_logger("pinnokio.worker")

PASSWORD: Final = "FLOWER_BASIC_AUTH"
# Said in its place where something before Flower asks who comes: open to whoever reaches its port.
DISABLED: Final = "disabled"


def run_flower(settings: Settings) -> NoReturn:
    """Serves until TERM. Raises SettingsError where no password is set, and its absence is not asked for."""
    login = os.environ.get(PASSWORD, "").strip()
    user, colon, password = login.partition(":")
    if login != DISABLED and not (user and colon and password):
        raise SettingsError(f"{PASSWORD} takes user:password, or {DISABLED}; Flower is not served without either")
    set_up_logs(settings.log_level, settings.log_format, settings.secrets)
    if login == DISABLED:
        del os.environ[PASSWORD]
        # Flower's own switch: its API, which can end tasks, asks for a login that is then not there.
        os.environ.setdefault("FLOWER_UNAUTHENTICATED_API", "true")
        log.warning("flower_without_login")
    make_app(settings).start(["flower"])
