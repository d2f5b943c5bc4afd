"""A warning a while, with how many there were."""

from typing import Any

import pytest

from service.api import seldom_warnings
from service.api.seldom_warnings import EVERY_S, SeldomWarnings


def test_one_line_a_while_for_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    now, lines = 100.0, list[dict[str, Any]]()
    monkeypatch.setattr(
        seldom_warnings.log, "warning", lambda event, **fields: lines.append({"event": event, **fields})
    )
    told = SeldomWarnings(lambda: now)
    for _ in range(3):
        told.warn("refused", "403", status=403)
    told.warn("refused", "401", status=401)
    now += EVERY_S
    told.warn("refused", "403", status=403)
    now += EVERY_S
    told.warn("refused", "403", status=403)
    assert lines == [
        {"event": "refused", "status": 403},
        {"event": "refused", "status": 401},
        {"event": "refused", "status": 403, "more_since_last": 2},
        {"event": "refused", "status": 403},
    ]
