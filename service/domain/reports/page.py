"""Writes a report as one HTML page: no script, no other file, readable in light and dark, on paper and by ear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from service.domain.reports.charts import draw, text
from service.domain.reports.model import Column, Headline, Report, Section, Table, Value
from service.domain.reports.units import show

# The page shows the newest; the CSV file holds all.
_MOST_DETAILS: Final = 200
_SHORT: Final = 24
_NUMBERS: Final = ("count", "bytes", "seconds", "percent", "tokens")
# Nothing may be loaded or run, whatever a value should manage to say.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE: Final = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#171b22;--soft:#59616e;--line:#dde1e7;--track:#eef0f4;
--s0:#2a6fdb;--s1:#d97b0b;--s2:#0f8f86;--good:#14866d;--bad:#c4352b;--none:#8b929d;--busy:#2a6fdb;--wait:#b9c4d6}
@media (prefers-color-scheme:dark){:root{--page:#12151a;--card:#1b2027;--ink:#e9ecf1;--soft:#a0a8b5;--line:#323a45;
--track:#262d36;--s0:#6aa5ff;--s1:#f0a046;--s2:#3fbfb3;--good:#3dba9a;--bad:#f2776b;--none:#7b8492;--busy:#6aa5ff;
--wait:#4b5a72}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1240px;margin:0 auto;padding:32px 20px 56px}
header p,.summary,footer{color:var(--soft)}
h1{font-size:28px;line-height:1.2;margin:0 0 4px}
h2{font-size:19px;margin:0}
header p,.summary{margin:4px 0 0}
.headlines{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:12px;margin:24px 0;padding:0}
.headlines>div,section,details{background:var(--card);border:1px solid var(--line);border-radius:10px}
.headlines>div{padding:14px 16px}
dt{color:var(--soft);font-size:14px}
dd{margin:0;font-size:26px;font-weight:600;line-height:1.25}
dd.note{font-size:13px;font-weight:400;color:var(--soft)}
section,details{padding:20px;margin:0 0 16px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:20px;margin-top:16px;
align-items:start}
.scroll{overflow:auto;max-height:380px}
figure{margin:0;overflow-x:auto}
svg{display:block;width:100%;min-width:460px;height:auto;font-size:13px}
.track{fill:var(--track)}
.grid{stroke:var(--line)}
text{fill:var(--ink)}
.tick{fill:var(--soft);font-size:12px}
.end{text-anchor:end}
.series{stroke:var(--card);stroke-width:1}
.s0{fill:var(--s0);background:var(--s0)}
.s1{fill:var(--s1);background:var(--s1)}
.s2{fill:var(--s2);background:var(--s2)}
.completed{fill:var(--good);background:var(--good)}
.failed{fill:var(--bad);background:var(--bad)}
.cancelled{fill:var(--none);background:var(--none)}
.processing{fill:var(--busy);background:var(--busy)}
.queued{fill:var(--wait);background:var(--wait)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:10px 0 0;padding:0;font-size:14px}
.legend span{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:7px}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 7px;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
th{font-weight:600;white-space:nowrap}
thead th{color:var(--soft);position:sticky;top:0;background:var(--card)}
tbody th{font-weight:400;white-space:normal;min-width:9em}
tbody th.short{white-space:nowrap;min-width:0}
.number{text-align:right;white-space:nowrap}
summary{cursor:pointer;font-weight:600}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--s0);outline-offset:2px}
.hidden{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden;white-space:nowrap}
@media print{body{background:#fff}section{break-inside:avoid}.scroll{max-height:none}}
"""


def write_html(report: Report) -> str:
    """The page. Every value is escaped."""
    name = report.company_name or report.company_id
    title = f"{report.title} of {name}"
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{text(_POLICY)}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n",
            f"<header><h1>{text(title)}</h1>\n<p>{text(_subtitle(report))}</p></header>\n",
            f'<dl class="headlines">{"".join(map(_headline, report.headlines))}</dl>\n',
            *map(_section, report.sections),
            _details(report.details),
            f"<footer>{''.join(f'<p>{text(note)}</p>' for note in report.notes)}</footer>\n",
            "</main>\n</body>\n</html>\n",
        )
    )


def _subtitle(report: Report) -> str:
    company = f"Company {report.company_id}. " if report.company_name else ""
    return f"{company}As of {show(report.gathered_at, 'time')}."


def _headline(headline: Headline) -> str:
    note = f'<dd class="note">{text(headline.note)}</dd>' if headline.note else ""
    value = text(show(headline.value, headline.unit))
    return f"<div><dt>{text(headline.label)}</dt><dd>{value}</dd>{note}</div>"


def _section(section: Section) -> str:
    name = text(section.name)
    chart = draw(section)
    figure = f"<figure>{chart}</figure>" if chart else ""
    table = _table(section.table, section.title) if section.table.rows else ""
    body = f'<div class="pair">{figure}{table}</div>' if table else ""
    return (
        f'<section aria-labelledby="{name}-head"><h2 id="{name}-head">{text(section.title)}</h2>'
        f'<p class="summary">{text(section.summary)}</p>{body}</section>\n'
    )


def _details(table: Table) -> str:
    if not table.rows:
        return ""
    shown = Table(table.columns, table.rows[:_MOST_DETAILS])
    cut = f", the first {_MOST_DETAILS} of them; the CSV file holds all" if len(table.rows) > _MOST_DETAILS else ""
    label = f"All {len(table.rows):,} rows{cut}"
    return f"<details><summary>{text(label)}</summary>{_table(shown, label)}</details>\n"


def _table(table: Table, caption: str) -> str:
    # A box that scrolls is reachable by keyboard only if it takes the focus.
    head = "".join(f'<th scope="col"{_align(column)}>{text(column.label)}</th>' for column in table.columns)
    body = "".join(f"<tr>{''.join(_cells(table, row))}</tr>" for row in table.rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}"><table>'
        f'<caption class="hidden">{text(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(table: Table, row: tuple[Value, ...]) -> Iterator[str]:
    for at, (column, value) in enumerate(zip(table.columns, row, strict=True)):
        shown = text(show(value, column.unit))
        short = ' class="short"' if len(shown) <= _SHORT else ""
        yield f'<th scope="row"{short}>{shown}</th>' if at == 0 else f"<td{_align(column)}>{shown}</td>"


def _align(column: Column) -> str:
    return ' class="number"' if column.unit in _NUMBERS else ""
