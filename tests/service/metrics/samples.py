"""A scrape's samples: `read` finds one by its series' name and its labels."""

from collections.abc import Iterator

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.service.application import Api


class Samples:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self._samples = [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def read(self, series: str, /, **labels: str) -> float | None:
        """The sum of the samples that have these labels, whatever others; None: there is none."""
        found = [value for _, value in self.all(series, **labels)]
        return sum(found) if found else None

    def count(self, series: str, /, **labels: str) -> float:
        """As `read` for a counter, which has no sample before it counts."""
        return self.read(series, **labels) or 0.0

    def all(self, series: str, /, **labels: str) -> Iterator[tuple[dict[str, str], float]]:
        for each, own, value in self._samples:
            if each == series and labels.items() <= own.items():
                yield own, value


async def scrape(api: Api) -> Samples:
    return Samples((await api.http.get("/metrics")).text)


async def scrape_worker(port: int) -> Samples:
    async with httpx.AsyncClient(timeout=20) as client:
        return Samples((await client.get(f"http://127.0.0.1:{port}/metrics")).text)
