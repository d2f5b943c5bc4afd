from __future__ import annotations

import io

import pytest
from PIL import Image
from pypdf import PageObject, PdfWriter
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    ByteStringObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
    PdfObject,
)

from service.domain.documents.page_pictures import find_covered_share, has_pictures, read_pictures

SIDE = 64
GRAY, RGB = NameObject("/DeviceGray"), NameObject("/DeviceRGB")
INVERTED = ArrayObject([NumberObject(1), NumberObject(0)])


def palette(colors: bytes) -> ArrayObject:
    return ArrayObject([NameObject("/Indexed"), RGB, NumberObject(len(colors) // 3 - 1), ByteStringObject(colors)])


def page_with(
    data: bytes, bits: int, space: PdfObject, side: int = SIDE, decode: PdfObject | None = None
) -> PageObject:
    image = DecodedStreamObject()
    image.set_data(data)
    image[NameObject("/Subtype")] = NameObject("/Image")
    image[NameObject("/Width")] = image[NameObject("/Height")] = NumberObject(side)
    image[NameObject("/BitsPerComponent")] = NumberObject(bits)
    image[NameObject("/ColorSpace")] = space
    if decode is not None:
        image[NameObject("/Decode")] = decode
    page = PageObject.create_blank_page(width=100, height=100)
    named = DictionaryObject({NameObject("/Scan"): image})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): named})
    return page


@pytest.mark.parametrize(
    ("pixel", "bits", "space", "decode", "level"),
    [
        pytest.param(b"\x00", 1, GRAY, None, 0, id="black"),
        pytest.param(b"\xff", 1, GRAY, None, 255, id="white"),
        pytest.param(b"\xff", 1, GRAY, INVERTED, 0, id="black-inverted"),
        pytest.param(b"\x00", 1, palette(b"\xff\xff\xff\x00\x00\x00"), None, 255, id="white-of-two-colors"),
        pytest.param(b"\x28", 8, GRAY, None, 40, id="gray"),
        pytest.param(b"\x28\x28\x28", 8, RGB, None, 40, id="rgb"),
        pytest.param(b"\x01", 8, palette(b"\x00\x00\x00\x28\x28\x28"), None, 40, id="palette"),
    ],
)
def test_pixels_keep_their_brightness(
    pixel: bytes, bits: int, space: PdfObject, decode: PdfObject | None, level: int
) -> None:
    (file,) = read_pictures(page_with(pixel * (SIDE * SIDE * bits // 8), bits, space, decode=decode), 10_000)
    picture = Image.open(io.BytesIO(file)).convert("L")
    assert picture.size == (SIDE, SIDE)
    assert picture.getextrema() == (level, level)


def test_a_picture_that_says_that_it_is_no_mask_is_none() -> None:
    page = page_with(b"\x28" * SIDE * SIDE, 8, GRAY)
    image = page["/Resources"]["/XObject"]["/Scan"]  # type: ignore[index]
    image[NameObject("/ImageMask")] = BooleanObject(False)
    (file,) = read_pictures(page, 10_000)
    assert file.startswith(b"P5")


def test_a_picture_is_found_though_its_kind_stands_elsewhere() -> None:
    page = page_with(b"\x28" * SIDE * SIDE, 8, GRAY)
    image = page["/Resources"]["/XObject"]["/Scan"]  # type: ignore[index]
    image[NameObject("/Subtype")] = PdfWriter()._add_object(NameObject("/Image"))
    assert has_pictures(page)


def draw(holder: DictionaryObject, content: bytes) -> None:
    stream = DecodedStreamObject()
    stream.set_data(content)
    holder[NameObject("/Contents")] = stream


def page_with_form(content: bytes, form_content: bytes, scale: float) -> PageObject:
    """A form that draws the picture; its own matrix scales it."""
    page = page_with(b"", 8, GRAY)
    form = DecodedStreamObject()
    form.set_data(form_content)
    form[NameObject("/Subtype")] = NameObject("/Form")
    form[NameObject("/Matrix")] = ArrayObject(FloatObject(number) for number in (scale, 0, 0, scale, 0, 0))
    form[NameObject("/Resources")] = page["/Resources"]
    named = DictionaryObject({NameObject("/Frame"): form})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): named})
    draw(page, content)
    return page


@pytest.mark.parametrize(
    ("content", "share"),
    [
        pytest.param(b"q 100 0 0 100 0 0 cm /Scan Do Q", 1.0, id="whole"),
        pytest.param(b"q 0 100 -100 0 100 0 cm /Scan Do Q", 1.0, id="turned"),
        pytest.param(b"q 20 0 0 10 0 0 cm /Scan Do Q", 0.02, id="logo"),
        pytest.param(
            b"q 100 0 0 20 0 0 cm /Scan Do 1 0 0 1 0 1 cm /Scan Do 1 0 0 1 0 1 cm /Scan Do Q", 0.6, id="strips"
        ),
        pytest.param(b"q 300 0 0 300 0 0 cm /Scan Do Q", 1.0, id="past-the-edge"),
        pytest.param(b"", 0.0, id="not-drawn"),
        pytest.param(b"q 100 0 0 100 0 0 cm /Missing Do Q", 0.0, id="not-there"),
    ],
)
def test_share_of_the_page_that_pictures_cover(content: bytes, share: float) -> None:
    page = page_with(b"", 8, GRAY)
    draw(page, content)
    assert find_covered_share(page) == pytest.approx(share)


def test_a_form_is_as_large_as_it_is_drawn() -> None:
    page = page_with_form(b"q 100 0 0 100 0 0 cm /Frame Do Q 1 0 0 1 0 0 cm", b"q 2 0 0 2 0 0 cm /Scan Do Q", 0.4)
    assert find_covered_share(page) == pytest.approx(0.64)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page_with(b"\x00" * 100, 8, GRAY), id="cut"),
        pytest.param(page_with(b"\x00" * SIDE * SIDE * 4, 8, NameObject("/DeviceCMYK")), id="cmyk"),
        pytest.param(page_with(b"\x00" * 40 * 40, 8, GRAY, 40), id="logo"),
        pytest.param(page_with(b"\x00" * 101 * 101, 8, GRAY, 101), id="too-many-pixels"),
        pytest.param(PageObject.create_blank_page(width=100, height=100), id="none"),
    ],
)
def test_what_cannot_be_read_is_left_out(page: PageObject) -> None:
    assert read_pictures(page, 10_000) == []
