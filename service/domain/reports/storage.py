"""The report on storage: what each collection takes up, and how much of the company's limit that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from service.domain.reports.counting import by_name, sum_known, top
from service.domain.reports.figures import CollectionFigures, CompanyFigures
from service.domain.reports.frame import build_frame, count, nothing, quota_section, storage_headline
from service.domain.reports.model import Chart, Column, Headline, Report, Section, Table, Value
from service.domain.reports.units import show

_COLUMNS: Final = (
    Column("collection", "Collection"),
    Column("embeddings_bytes", "Embeddings", "bytes"),
    Column("documents_bytes", "Documents", "bytes"),
    Column("metadata_bytes", "Metadata", "bytes"),
    Column("total_bytes", "Total", "bytes"),
    Column("document_count", "Number", "count"),
)


def build_storage(figures: CompanyFigures) -> Report:
    collections = figures.collections or ()
    unread = sum(collection.total_bytes is None for collection in collections)
    headlines = (
        storage_headline(figures),
        Headline("Collections", count(figures.collections), note=f"{unread} could not be read" if unread else ""),
        Headline("Documents", _documents(figures.collections)),
    )
    sections = (_by_collection(figures), quota_section(figures))
    details = Table(_COLUMNS, tuple((one.name, *_sizes([one])) for one in collections))
    return build_frame("Storage", figures, headlines, sections, details)


def _documents(collections: Sequence[CollectionFigures] | None) -> int | None:
    if not collections:
        return count(collections)
    return sum_known(collection.document_count for collection in collections)


def _by_collection(figures: CompanyFigures) -> Section:
    groups = by_name(figures.collections or (), lambda collection: collection.name)
    rows: list[tuple[Value, ...]] = [
        (name, *_sizes(members))
        for name, members in top(groups, lambda found: sum(one.total_bytes or 0 for one in found))
    ]
    largest = nothing(figures.collections, "There is no collection.")
    if rows:
        largest = f"The largest is {rows[0][0]} with {show(rows[0][4], 'bytes')}."
    chart = Chart("bars", ("embeddings_bytes", "documents_bytes", "metadata_bytes"))
    return Section("collections", "Storage by collection", largest, Table(_COLUMNS, tuple(rows)), chart)


def _sizes(members: Sequence[CollectionFigures]) -> tuple[Value, ...]:
    return (
        sum_known(one.embeddings_bytes for one in members),
        sum_known(one.documents_bytes for one in members),
        sum_known(one.metadata_bytes for one in members),
        sum_known(one.total_bytes for one in members),
        sum_known(one.document_count for one in members),
    )
