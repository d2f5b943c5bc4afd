from __future__ import annotations

import asyncio
import io
import signal
import stat
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from PIL import Image

from service.domain.documents import DocumentError, Limits, analyse, analysis_steps, ocr
from service.domain.documents.ocr import Engine, recognise_text
from service.domain.documents.picture_size import read_frame_sizes
from tests.documents import sample_invoice_pdf
from tests.documents.scans import INVOICE_TEXT, build_scan, draw_page, write_picture
from tests.service.documents.sending import as_base64

TRUTH = {
    "invoice_number": "F2024/4132",
    "issue_date": "2024-12-15",
    "currency": "GBP",
    "total": "1159.81",
    "untaxed": "966.51",
    "tax": "193.30",
    "seller": "Tidewater Print plc",
    "buyer": "Greenacre Foods Ltd",
    "iban": "GB64NWBK59587587510538",
    "vat": "GB454894645",
}
PAGE = draw_page()
PNG = write_picture(PAGE)


def values(result: dict[str, Any]) -> dict[str, str | None]:
    return {name: field["value"] for name, field in result["fields"].items()}


def findings(result: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {finding["code"]: (finding["severity"], finding["message"]) for finding in result["findings"]}


def run_steps(document_data: dict[str, object]) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """What is told between, and the result."""
    steps = analysis_steps(document_data, "job")
    told: list[tuple[str, int]] = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return told, end.value


@pytest.mark.usefixtures("installed_engine")
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF"])
def test_image_is_read_with_less_confidence(file_format: str) -> None:
    data = write_picture(PAGE, file_format)
    result = analyse(as_base64(data, f"image/{file_format.lower()}"), "job")
    assert values(result) == TRUTH
    of_text = analyse({"content": INVOICE_TEXT}, "job")
    assert result["fields"]["total"]["source"] == "text"
    assert 0 < result["confidence_score"] < of_text["confidence_score"]
    assert findings(result)["read_by_ocr"][0] == "info"


@pytest.mark.usefixtures("installed_engine")
@pytest.mark.parametrize(
    ("mode", "image_filter"),
    [
        ("L", "FlateDecode"),
        ("RGB", "FlateDecode"),
        ("1", "AUTO"),
        ("L", "DCTDecode"),
        ("RGB", "JPXDecode"),
    ],
)
def test_scanned_page_is_read_however_it_is_packed(mode: str, image_filter: str) -> None:
    result = analyse(as_base64(build_scan(draw_page(mode=mode), image_filter=image_filter)), "job")
    assert values(result) == TRUTH
    assert findings(result)["pages_scanned"][0] == "info"


@pytest.mark.usefixtures("installed_engine")
def test_partly_scanned_is_told_and_read_page_by_page() -> None:
    pdf = build_scan("Dear Sir or Madam, please find our invoice on the next page.", PAGE, draw_page("Thank you!"))
    told, result = run_steps(as_base64(pdf))
    assert told[:3] == [("preprocessing", 20), ("ocr_extraction", 30), ("ocr_extraction", 40)]
    assert values(result)["total"] == TRUTH["total"]
    assert findings(result)["pages_scanned"] == (
        "info",
        "Pages 2, 3 hold hardly any text but pictures (a scan); they were read by OCR.",
    )


STAMP = "RECEIVED 16.12.2024 accounting, no. 00231 / page 1 of 1"


@pytest.mark.usefixtures("installed_engine")
def test_a_stamp_hides_no_scan() -> None:
    result = analyse(as_base64(build_scan(PAGE, stamp=STAMP)), "job")
    assert values(result) == TRUTH
    assert findings(result)["pages_scanned"][0] == "info"


def test_a_small_picture_makes_no_scan() -> None:
    note = "Invoice number: 4711\nTotal due EUR 12.00"
    result = analyse(as_base64(build_scan(PAGE, stamp=note, width_mm=40)), "job")
    assert values(result)["total"] == "12.00"
    assert "pages_scanned" not in findings(result)


def test_a_text_upon_a_background_is_no_scan() -> None:
    result = analyse(as_base64(build_scan(draw_page(""), stamp=INVOICE_TEXT)), "job")
    assert values(result) == TRUTH
    assert "pages_scanned" not in findings(result)


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_the_scanned_pages_are_told() -> None:
    result = analyse(as_base64(build_scan(INVOICE_TEXT, PAGE)), "job")
    assert values(result)["total"] == TRUTH["total"]
    severity, message = findings(result)["pages_scanned"]
    assert severity == "warning"
    assert message.startswith(
        "Page 2 holds hardly any text but pictures (a scan), which are not read: no text recognition"
    )


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize(
    ("document_data", "code"),
    [(as_base64(PNG, "image/png"), "image"), (as_base64(build_scan(PAGE)), "scanned")],
)
def test_without_an_engine_it_is_refused_and_says_what_to_install(document_data: dict[str, object], code: str) -> None:
    with pytest.raises(DocumentError, match=r"--build-arg OCR=tesseract.*tesseract-ocr-deu") as error:
        analyse(document_data, "job")
    assert error.value.code == code


@pytest.mark.usefixtures("no_engine")
def test_text_needs_no_engine() -> None:
    assert "pages_scanned" not in findings(analyse(as_base64(sample_invoice_pdf()), "job"))


@pytest.mark.usefixtures("installed_engine")
def test_several_pages_of_a_tiff() -> None:
    pages = [draw_page("Invoice number: 4711"), draw_page("Total due EUR 12.00")]
    data = as_base64(_several(pages), "image/tiff")
    told, result = run_steps(data)
    assert told[:2] == [("preprocessing", 20), ("ocr_extraction", 30)]
    assert (values(result)["invoice_number"], values(result)["total"]) == ("4711", "12.00")
    with pytest.raises(DocumentError, match="more than 1 pages"):
        analyse(data, "job", limits=Limits(pages=1))


@pytest.mark.usefixtures("installed_engine")
@pytest.mark.parametrize(
    ("data", "limits", "code", "message"),
    [
        pytest.param(PNG, Limits(picture_pixels=1_000_000), "too_large", "1240 x 1754 pixels", id="pixels"),
        pytest.param(PNG, Limits(ocr_picture_s=0.01), "too_slow", "Send it smaller", id="time"),
        pytest.param(PNG, Limits(ocr_s=0), "too_slow", "more than 0 seconds together", id="time-of-all"),
        pytest.param(PNG[:2000], Limits(), "broken", "damaged", id="cut"),
        pytest.param(write_picture(draw_page("")), Limits(), "no_text", "No text was found", id="blank"),
    ],
)
def test_image_is_refused_with_a_reason(data: bytes, limits: Limits, code: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message) as error:
        analyse(as_base64(data, "image/png"), "job", limits=limits)
    assert error.value.code == code


@pytest.mark.usefixtures("installed_engine")
def test_page_that_cannot_be_read_is_named() -> None:
    pdf = as_base64(build_scan(INVOICE_TEXT, PAGE))
    severity, message = findings(analyse(pdf, "job", limits=Limits(ocr_s=0)))["pages_scanned"]
    assert (severity, message.rpartition(";")[2]) == ("warning", " no text could be read by OCR on: 2.")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "GIF", "BMP"])
def test_size_is_known_before_a_pixel_is_read(file_format: str) -> None:
    data = write_picture(Image.new("L", (300, 200)), file_format)
    assert read_frame_sizes(data, 5) == [(300, 200)]
    for end in range(4, min(600, len(data))):
        assert read_frame_sizes(data[:end], 5) in ([], [(300, 200)])


def test_what_ends_the_caller_ends_the_engine(tmp_path: Path) -> None:
    """As a cancelling does it: a signal raises where the process is waited for."""
    pid_file = tmp_path / "pid"
    slow = tmp_path / "tesseract"
    slow.write_text(f"#!/bin/sh\necho $$ > {pid_file}.new && mv {pid_file}.new {pid_file}\nexec sleep 300\n")
    slow.chmod(stat.S_IRWXU)

    def cancel(_signal: int, _frame: FrameType | None) -> None:
        if not pid_file.exists():
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            return
        raise asyncio.CancelledError

    before = signal.signal(signal.SIGALRM, cancel)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(asyncio.CancelledError):
            list(recognise_text(PNG, Engine(str(slow), ("eng",)), Limits(), ocr.TimeLeft.start(Limits())))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()


def test_engine_sees_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "not-to-be-seen")
    tell = tmp_path / "tesseract"
    tell.write_text("#!/bin/sh\ncat > /dev/null\nenv\n")
    tell.chmod(stat.S_IRWXU)
    (told,) = recognise_text(PNG, Engine(str(tell), ("eng",)), Limits(), ocr.TimeLeft.start(Limits()))
    assert "OMP_THREAD_LIMIT=1" in told
    assert "not-to-be-seen" not in told


def test_time_left_is_shared_by_all_pictures() -> None:
    left = ocr.TimeLeft(time.monotonic() + 5, picture_s=60)
    assert 0 < left.for_picture() <= 5


def _several(pages: list[Image.Image]) -> bytes:
    out = io.BytesIO()
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:])
    return out.getvalue()
