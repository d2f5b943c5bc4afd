"""Server-sent events, line by line (WHATWG HTML, 9.2), as far as the database uses them: `event` and `data`."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event; `data` is text."""

    name: str
    data: str


class EventParser:
    """Takes bytes as they come; gives the events that are complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            event = self._line(line.rstrip(b"\r").decode())
            if event is not None:
                yield event

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            name, data, self._name, self._data = self._name, self._data, "", []
            return ServerEvent(name, "\n".join(data)) if name or data else None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        return None
