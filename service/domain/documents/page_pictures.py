"""Finds the pictures on a PDF page, and turns them into files that a text recogniser reads.

What is a picture file already (JPEG, JPEG 2000) stays as it is, fax becomes a TIFF, and plain pixels a PNM: no picture
is decoded here. Left out: JBIG2, CMYK pixels, and pictures that stand in the page's content itself (inline).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pypdf import PageObject
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject, StreamObject

_DEEPEST_FORM = 4
_MOST_PICTURES = 50
# Logos, lines and signatures are smaller: half an inch at 100 dots per inch.
_SHORTEST_SIDE = 50


def has_pictures(page: PageObject) -> bool:
    """Whether the page shows images, or forms that hold them."""
    return next(_find_images(page, 0), None) is not None


def find_covered_share(page: PageObject) -> float:
    """How much of the page its pictures cover together, 0 to 1: scanners cut pages into strips."""
    covered = 0.0
    # What is being drawn (the page, a form, a form within), and how large its unit of area is on the page.
    within: list[tuple[DictionaryObject, float]] = [(page, 1.0)]

    def enter(operator: bytes, operands: list[Any], matrix: list[float], _text_matrix: list[float]) -> None:
        nonlocal covered
        if operator != b"Do":
            return
        holder, scale = within[-1]
        named = _resolve(_read_named(holder).get(operands[0])) if operands else None
        drawn = named if isinstance(named, StreamObject) else StreamObject()
        scale *= _read_scale(matrix)
        # A picture is drawn into the unit square.
        if _resolve(drawn.get("/Subtype")) == "/Image":
            covered += scale
        # pypdf begins each form with a matrix of its own.
        within.append((drawn, scale * _read_scale(_resolve(drawn.get("/Matrix")))))

    def leave(operator: bytes, *_: object) -> None:
        if operator == b"Do":
            within.pop()

    page.extract_text(visitor_operand_before=enter, visitor_operand_after=leave)
    whole = float(page.mediabox.width) * float(page.mediabox.height)
    return min(covered / whole, 1.0) if whole else 0.0


def _read_scale(matrix: object) -> float:
    """By how much a matrix enlarges areas; 1 where there is none, or what stands for it is damaged."""
    numbers = [_resolve(number) for number in matrix[:4]] if isinstance(matrix, list) else []
    match numbers:
        case [int() | float() as a, int() | float() as b, int() | float() as c, int() | float() as d]:
            return abs(float(a) * float(d) - float(b) * float(c))
    return 1.0


def read_pictures(page: PageObject, most_pixels: int) -> list[bytes]:
    """The page's pictures that may hold text, as files, in the order in which the page names them."""
    files: list[bytes] = []
    for seen, image in enumerate(_find_images(page, 0)):
        if seen >= _MOST_PICTURES:
            break
        try:
            file = _build_file(image, most_pixels)
        except (PyPdfError, NotImplementedError):
            continue
        if file is not None:
            files.append(file)
    return files


def _find_images(holder: DictionaryObject, depth: int) -> Iterator[StreamObject]:
    named = _read_named(holder)
    for name in named:
        found = _resolve(named.get(name))
        if not isinstance(found, StreamObject):
            continue
        kind = _resolve(found.get("/Subtype"))
        if kind == "/Image":
            yield found
        elif kind == "/Form" and depth < _DEEPEST_FORM:
            yield from _find_images(found, depth + 1)


def _read_named(holder: DictionaryObject) -> DictionaryObject:
    """The pictures and forms that a page or form may draw, by their names."""
    resources = _resolve(holder.get("/Resources"))
    named = _resolve(resources.get("/XObject")) if isinstance(resources, DictionaryObject) else None
    return named if isinstance(named, DictionaryObject) else DictionaryObject()


def _resolve(value: object) -> object:
    return value.get_object() if hasattr(value, "get_object") else value


def _read_number(image: StreamObject, name: str, default: int) -> int:
    value = _resolve(image.get(name, default))
    return int(value) if isinstance(value, int | float) else default


def _build_file(image: StreamObject, most_pixels: int) -> bytes | None:
    width, height = _read_number(image, "/Width", 0), _read_number(image, "/Height", 0)
    if min(width, height) < _SHORTEST_SIDE or width * height > most_pixels:
        return None
    filters = _resolve(image.get("/Filter"))
    last = _resolve(filters[-1]) if isinstance(filters, ArrayObject) and filters else filters
    data = image.get_data()
    if last in ("/DCTDecode", "/JPXDecode", "/CCITTFaxDecode"):
        return data
    return _build_pnm(image, data, width, height)


def _build_pnm(image: StreamObject, data: bytes, width: int, height: int) -> bytes | None:
    """None for color spaces and depths other than black and white, gray, RGB, and palettes of those."""
    # pypdf's booleans are true whatever they say; compared, they are what they say.
    bits = 1 if _resolve(image.get("/ImageMask")) == True else _read_number(image, "/BitsPerComponent", 8)  # noqa: E712
    channels, palette = _read_colors(image)
    size = height * ((width * bits * channels + 7) // 8)
    if len(data) < size:
        return None
    pixels = data[:size]
    if _is_inverted(image):
        pixels = _invert(pixels)
    if bits == 1 and channels == 1:
        # In a PBM 1 is black, in a PDF 0 is.
        is_black_one = palette is not None and sum(palette[:3]) > sum(palette[3:6])
        return b"P4\n%d %d\n" % (width, height) + (pixels if is_black_one else _invert(pixels))
    if bits != 8 or channels not in (1, 3):
        return None
    if palette is not None:
        pixels, channels = pixels.translate(_gray_levels(palette)), 1
    return b"%s\n%d %d\n255\n" % (b"P5" if channels == 1 else b"P6", width, height) + pixels


def _read_colors(image: StreamObject) -> tuple[int, bytes | None]:
    """Channels of a pixel (0: not known), and the RGB palette where pixels are indices."""
    space = _resolve(image.get("/ColorSpace", "/DeviceGray"))
    kind = _resolve(space[0]) if isinstance(space, ArrayObject) and space else space
    if kind in ("/DeviceGray", "/CalGray"):
        return 1, None
    if kind in ("/DeviceRGB", "/CalRGB"):
        return 3, None
    if isinstance(space, ArrayObject) and kind == "/ICCBased" and len(space) > 1:
        profile = _resolve(space[1])
        return (int(profile.get("/N", 0)) if isinstance(profile, DictionaryObject) else 0), None
    if isinstance(space, ArrayObject) and kind == "/Indexed" and len(space) > 3:
        palette = _read_palette(_resolve(space[3]), int(space[2]) + 1)
        return (1, palette) if palette is not None else (0, None)
    return 0, None


def _read_palette(lookup: object, colors: int) -> bytes | None:
    """As RGB, whether it is written in gray or in RGB; None for other spaces."""
    # A string's own bytes where pypdf took it for text.
    written = lookup.get_data() if isinstance(lookup, StreamObject) else getattr(lookup, "original_bytes", lookup)
    data = written if isinstance(written, bytes) else b""
    if len(data) == colors:
        return bytes(level for level in data for _ in range(3))
    return data if len(data) == 3 * colors else None


def _gray_levels(palette: bytes) -> bytes:
    """For each index its brightness (ITU-R BT.601); white past the palette's end."""
    colors = zip(palette[::3], palette[1::3], palette[2::3], strict=True)
    levels = bytes((299 * red + 587 * green + 114 * blue) // 1000 for red, green, blue in colors)
    return levels[:256].ljust(256, b"\xff")


def _is_inverted(image: StreamObject) -> bool:
    decode = _resolve(image.get("/Decode"))
    return isinstance(decode, ArrayObject) and len(decode) >= 2 and float(decode[0]) > float(decode[1])


def _invert(pixels: bytes) -> bytes:
    return pixels.translate(bytes(range(255, -1, -1)))
