"""The page: well-formed, nothing loaded or run, a table and a text for every chart."""

import re
from html.parser import HTMLParser

import pytest

from service.domain.reports import REPORT_TYPES, CompanyFigures, UserFigures, generate_report
from service.domain.reports.charts import axis_end
from service.domain.reports.units import show
from tests.service.domain.reports.figures import NOW, SINCE, company, idle, unread

_VOID = {"meta", "br"}


class Page(HTMLParser):
    """Collects what a page holds, and fails where a tag is not closed in its turn."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("figures", [company(), unread(), idle()], ids=["busy", "unread", "idle"])
@pytest.mark.parametrize("report_type", REPORT_TYPES)
def test_the_page_is_well_formed_and_loads_nothing(report_type: str, figures: CompanyFigures) -> None:
    html = generate_report(report_type, figures)["html"]
    page = Page(html)
    assert {name for name, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object", "a", "form"})
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "url(" not in html
    assert "default-src 'none'" in str(page.named("meta")[1]["content"])
    assert page.named("html") == [{"lang": "en"}]


@pytest.mark.parametrize("report_type", REPORT_TYPES)
def test_every_value_is_escaped(report_type: str) -> None:
    html = generate_report(report_type, company())["html"]
    assert "alert(" in html
    assert "<script" not in html
    assert "\x00" not in html
    assert "\u202e" not in html


@pytest.mark.parametrize("report_type", REPORT_TYPES)
def test_each_chart_has_a_title_a_text_and_a_table_beside_it(report_type: str) -> None:
    html = generate_report(report_type, company())["html"]
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    charts = page.named("svg")
    assert charts
    for chart in charts:
        assert chart["role"] == "img"
        assert set(str(chart["aria-labelledby"]).split()) <= set(ids)
    assert html.count('</figure><div class="scroll"') == len(charts)
    assert len(page.named("caption")) == len(page.named("table"))


def test_many_users_become_a_dozen_bars() -> None:
    users = tuple(UserFigures(f"user_{number}") for number in range(300))
    html = generate_report("usage", CompanyFigures("acme", "", NOW, SINCE, users=users, tasks=(), conversations=()))[
        "html"
    ]
    assert "289 others" in html
    assert "the first 200 of them" in html


def test_light_and_dark_name_the_same_colours() -> None:
    html = generate_report("usage", company())["html"]
    light, dark = re.findall(r":root\{(.*?)\}", html, re.DOTALL)
    assert set(re.findall(r"--\w+(?=:)", light)) == set(re.findall(r"--\w+(?=:)", dark))


@pytest.mark.parametrize(("largest", "end"), [(0, 4), (1, 4), (7, 8), (23, 40), (170, 200), (0.2, 4), (1e9, 1e9)])
def test_an_axis_ends_on_a_round_number(largest: float, end: float) -> None:
    assert axis_end(largest) == end


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.44, "0.4 s"), (12.2, "12 s"), (59.7, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_told_in_words(seconds: float, words: str) -> None:
    assert show(seconds, "seconds") == words
