"""What /debug tells of the last health check."""

import pytest

from service.domain.health import Answer, HealthCheck, build_report

CONFIGURED = {"chroma": True, "openai": False}
CHECK = HealthCheck(1000.0, "w:1", {"chroma": Answer("ok", 3.1), "openai": Answer("disabled")})


@pytest.mark.parametrize(
    ("check", "now", "chroma", "status"),
    [
        pytest.param(CHECK, 1020.0, {"status": "ok", "latency_ms": 3.1, "age_s": 20}, "ok", id="a fresh one"),
        pytest.param(
            CHECK,
            1300.0,
            {"status": "skipped", "error": "no worker has checked it for 300 s: do beat and workers run?"},
            "error",
            id="an old one",
        ),
        pytest.param(None, 1.0, {"status": "skipped", "error": "no worker has checked it yet"}, "skipped", id="none"),
    ],
)
def test_report(check: HealthCheck | None, now: float, chroma: dict[str, object], status: str) -> None:
    report = build_report(check, now, CONFIGURED)
    assert report["chroma"] == chroma
    assert report["openai"] == {"status": "disabled"}
    assert report["health_check"]["status"] == status
