"""An OCR engine that is there, and one that is not: the machine's own is looked up once in a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.domain.documents.ocr import Engine, find_engine
from tests.debian import find_program
from tests.missing import end_test_without


@pytest.fixture(scope="session")
def installed_engine() -> Engine:
    languages = [f"tesseract-ocr-{language}" for language in ("deu", "fra", "ita")]
    find_program("tesseract", "tesseract-ocr", *languages)
    find_engine.cache_clear()
    engine = find_engine()
    if engine is None or len(engine.languages) < 4:
        end_test_without(f"languages of tesseract: apt-get install {' '.join(languages)}")
    return engine


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PATH", "/nowhere")
    find_engine.cache_clear()
    yield
    find_engine.cache_clear()
