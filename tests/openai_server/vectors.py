"""Vectors in place of a model's: directions a word, so that texts that share words are near. No network, no weights."""

import hashlib
import math
import re
from array import array
from collections.abc import Iterator

# As many numbers as text-embedding-ada-002 gives.
DIMENSION = 1536
_DIRECTIONS_A_WORD = 8


def text_vector(text: str, dimension: int = DIMENSION) -> "array[float]":
    """A vector of length 1, the same for the same words in any order and case."""
    numbers = [0.0] * dimension
    for word in re.findall(r"\w+", text.lower()) or [""]:
        for place, sign in _directions(word, dimension):
            numbers[place] += sign
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return array("f", (number / length for number in numbers))


def _directions(word: str, dimension: int) -> Iterator[tuple[int, float]]:
    digest = hashlib.sha256(word.encode()).digest()
    for position in range(_DIRECTIONS_A_WORD):
        chunk = int.from_bytes(digest[position * 4 : position * 4 + 4], "big")
        yield (chunk >> 1) % dimension, 1.0 if chunk & 1 else -1.0
