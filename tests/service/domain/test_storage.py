"""The words in which Reflex shows how much a collection takes up."""

import pytest

from service.domain.storage import GB, StorageSizes, build_storage_report, format_size


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (1023, "1023 B"),
        (1024, "1.00 KB"),
        (1536, "1.50 KB"),
        (2 * 1024**2, "2.00 MB"),
        (5 * GB // 2, "2.50 GB"),
        (3 * 1024**4, "3.00 TB"),
        (2048 * 1024**4, "2048.00 TB"),
    ],
)
def test_a_size_in_words(size_bytes: int, words: str) -> None:
    assert format_size(size_bytes) == words


def test_the_report_is_the_contracts() -> None:
    sizes = StorageSizes(document_count=3, embeddings_size=18_432, documents_size=1_536, metadata_size=512)
    assert build_storage_report(sizes, 10.0) == {
        "storage_size_gb": 0.000019,
        "storage_percentage": 0,
        "storage_details": (
            "Total amount of documents: 3\n"
            "embeddings: 18.00 KB (90.0%)\ndocuments: 1.50 KB (7.5%)\nmetadata: 512 B (2.5%)"
        ),
    }


def test_an_empty_collection_divides_by_nothing() -> None:
    report = build_storage_report(StorageSizes(), 10.0)
    assert report["storage_details"].splitlines() == [
        "Total amount of documents: 0",
        "embeddings: 0 B (0.0%)",
        "documents: 0 B (0.0%)",
        "metadata: 0 B (0.0%)",
    ]
    assert (report["storage_size_gb"], report["storage_percentage"]) == (0.0, 0)


@pytest.mark.parametrize(
    ("used", "max_storage_gb", "percentage"),
    [
        pytest.param(GB, 10.0, 10, id="a tenth"),
        pytest.param(GB * 199 // 100, 2.0, 99, id="cut off, not rounded"),
        pytest.param(GB * 3, 2.0, 100, id="100 at most"),
        pytest.param(GB, 0.0, 0, id="no maximum"),
        pytest.param(GB, -1.0, 0, id="a maximum that is none"),
        pytest.param(GB, 5e-324, 100, id="hardly any"),
    ],
)
def test_the_percentage(used: int, max_storage_gb: float, percentage: int) -> None:
    assert build_storage_report(StorageSizes(1, used), max_storage_gb)["storage_percentage"] == percentage


@pytest.mark.parametrize(("count", "scaled"), [(20, (20, 200, 40, 6)), (10, (10, 100, 20, 3)), (0, (10, 100, 20, 3))])
def test_a_part_tells_of_the_whole(count: int, scaled: tuple[int, int, int, int]) -> None:
    assert StorageSizes(10, 100, 20, 3).scaled_to(count) == StorageSizes(*scaled)


def test_nothing_tells_of_nothing() -> None:
    assert StorageSizes().scaled_to(5) == StorageSizes()
