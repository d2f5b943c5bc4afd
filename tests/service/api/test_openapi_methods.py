"""The description of a mounted namespace's methods: what is known of them, and nothing that JSON cannot say."""

import json
from typing import Any

from service.api.openapi_methods import describe_methods
from service.rpc.router import Dispatcher


class Mounted:
    def find(self, key: Any, limit: Any = float("inf"), marker: Any = object(), depth: int = 2) -> Any:  # noqa: B008
        """Finds it.

        At length.
        """

    def plain(self, *args: Any, **kwargs: Any) -> Any: ...


def test_what_is_known_of_a_mounted_method() -> None:
    dispatcher = Dispatcher({}, {"OTHER": Mounted()})
    try:
        described, shared = describe_methods(dispatcher.methods, "#/{name}")
    finally:
        dispatcher.close()
    assert shared == {}
    assert described["OTHER.find"] == {
        "summary": "Finds it.",
        "arguments": {
            "type": "object",
            "properties": {"key": {}, "limit": {}, "marker": {}, "depth": {"default": 2}},
            "required": ["key"],
        },
    }
    assert described["OTHER.plain"]["arguments"] == {"type": "object", "properties": {}, "required": []}
    assert json.dumps(described, allow_nan=False)
