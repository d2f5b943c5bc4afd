"""Reads how large pictures are from the heads of PNG, JPEG, TIFF, GIF and BMP, before anything unpacks them.

A picture of some kilobytes can claim gigabytes; nothing here decodes a pixel.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

# Start of frame: all of C0 to CF but tables (C4, CC) and the reserved C8.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def read_frame_sizes(data: bytes, most_frames: int) -> list[tuple[int, int]]:
    """Width and height of each frame (a TIFF may hold many pages), one more than `most_frames` at most.

    Empty where the kind is another, or the head is damaged.
    """
    try:
        if data.startswith(b"\x89PNG"):
            return [_pair(">II", data, 16)]
        if data.startswith(b"\xff\xd8\xff"):
            return list(_jpeg_frames(data))[:1]
        if data.startswith(b"GIF8"):
            return [_pair("<HH", data, 6)]
        if data.startswith(b"BM"):
            width, height = _pair("<ii", data, 18)
            return [(abs(width), abs(height))]
        if data.startswith((b"II*\x00", b"MM\x00*")):
            return list(_tiff_frames(data, most_frames + 1))
    except struct.error:
        return []
    return []


def _pair(form: str, data: bytes, offset: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, data, offset)
    return int(first), int(second)


def _jpeg_frames(data: bytes) -> Iterator[tuple[int, int]]:
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
        elif marker in _JPEG_FRAMES:
            height, width = _pair(">HH", data, position + 5)
            yield width, height
            return
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4])


def _tiff_frames(data: bytes, most: int) -> Iterator[tuple[int, int]]:
    order = "<" if data[:2] == b"II" else ">"
    (offset,) = struct.unpack_from(f"{order}I", data, 4)
    for _ in range(most):
        if not offset:
            return
        (count,) = struct.unpack_from(f"{order}H", data, offset)
        sizes = {_TIFF_WIDTH: 0, _TIFF_HEIGHT: 0}
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", data, entry)
            if tag in sizes:
                (sizes[tag],) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, entry + 8)
        yield sizes[_TIFF_WIDTH], sizes[_TIFF_HEIGHT]
        (offset,) = struct.unpack_from(f"{order}I", data, offset + 2 + 12 * count)
