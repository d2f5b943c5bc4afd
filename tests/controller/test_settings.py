"""The operator's own environment."""

from datetime import timedelta

import pytest

from controller.settings import Settings, SettingsError


def test_defaults() -> None:
    settings = Settings.from_env({})
    assert settings == Settings((), "INFO", 8080, 8081, timedelta(seconds=600), "local")


def test_everything_set() -> None:
    environ = {
        "WATCH_NAMESPACES": " b, a,,b",
        "LOG_LEVEL": "debug",
        "PROBE_PORT": "81",
        "METRICS_PORT": "82",
        "RESYNC_S": "5",
        "POD_NAME": "op-1",
    }
    assert Settings.from_env(environ) == Settings(("a", "b"), "DEBUG", 81, 82, timedelta(seconds=5), "op-1")


@pytest.mark.parametrize("text", ["x", "-1", "0", "1.5"])
def test_what_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match="PROBE_PORT takes a whole number above zero"):
        Settings.from_env({"PROBE_PORT": text})
