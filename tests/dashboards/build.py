"""Writes the dashboards of `tests.dashboards.panels` as Grafana reads them: `python -m tests.dashboards.build`.

A test holds the files in the chart to it.
"""

import json
from pathlib import Path
from typing import Any, Final

from tests.cluster.model import REPOSITORY
from tests.dashboards.panels import DASHBOARDS, Dashboard, Panel, Query

FOLDER: Final = REPOSITORY / "charts" / "pinnokio" / "files" / "dashboards"
SELECTOR: Final = 'namespace=~"$namespace",service=~"$service"'
WINDOW: Final = "$__rate_interval"
_DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
# Grafana's grid is 24 wide.
_STAT: Final = (6, 4)
_GRAPH: Final = (12, 8)


def build_expression(query: Query, selector: str = SELECTOR, window: str = WINDOW) -> str:
    """A query with what `$selector` and `$window` stand for."""
    return query.expression.replace("$selector", selector).replace("$window", window)


def build_dashboard(dashboard: Dashboard) -> dict[str, Any]:
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["pinnokio"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": _build_variables()},
        "links": [
            {"type": "dashboards", "tags": ["pinnokio"], "title": "Pinnokio", "asDropdown": True, "keepTime": True}
        ],
        "panels": _build_panels(dashboard.panels),
    }


def write_path(dashboard: Dashboard) -> Path:
    return FOLDER / f"{dashboard.uid}.json"


def render(dashboard: Dashboard) -> str:
    return json.dumps(build_dashboard(dashboard), indent=1) + "\n"


def _build_variables() -> list[dict[str, Any]]:
    by_label = [
        ("namespace", "label_values(pinnokio_flag_revision, namespace)"),
        ("service", 'label_values(pinnokio_flag_revision{namespace=~"$namespace"}, service)'),
    ]
    variables: list[dict[str, Any]] = [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    ]
    for name, query in by_label:
        variables.append(
            {
                "name": name,
                "label": name.capitalize(),
                "type": "query",
                "datasource": _DATASOURCE,
                "query": {"query": query, "refId": name},
                "refresh": 2,
                "sort": 1,
                "multi": True,
                "includeAll": True,
                "allValue": ".*",
                "current": {"text": "All", "value": "$__all"},
            }
        )
    return variables


def _build_panels(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    built, x, y, row_height = [], 0, 0, 0
    for number, panel in enumerate(panels, start=1):
        width, height = _STAT if panel.kind == "stat" else _GRAPH
        if x + width > 24 or (row_height and height != row_height):
            x, y = 0, y + row_height
        row_height = height
        built.append(_build_panel(number, panel, {"x": x, "y": y, "w": width, "h": height}))
        x += width
    return built


def _build_panel(number: int, panel: Panel, position: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": _DATASOURCE,
        "gridPos": position,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _DATASOURCE,
                "expr": build_expression(query),
                "legendFormat": query.legend or "__auto",
            }
            for index, query in enumerate(panel.queries)
        ],
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for each in DASHBOARDS:
        write_path(each).write_text(render(each))
