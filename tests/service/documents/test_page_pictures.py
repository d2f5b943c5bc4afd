from __future__ import annotations

import io

import pytest
from PIL import Image
from pypdf import PageObject
from pypdf.generic import (
    ArrayObject,
    BooleanObject,
    ByteStringObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    PdfObject,
)

from service.domain.documents.page_pictures import read_pictures

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
