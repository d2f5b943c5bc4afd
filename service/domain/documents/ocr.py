"""Reads the text of a picture with tesseract, where that is installed: one process a picture, bounded in all it uses.

Which pictures are read is `extraction`'s. The process ends with whatever ends its caller: a time limit, a cancelling.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from service.domain.documents.model import DocumentError, Limits
from service.domain.documents.picture_size import read_frame_sizes

_LANGUAGES = ("eng", "deu", "fra", "ita")
HOW_TO_INSTALL = (
    "no text recognition (OCR) is installed. Build the image with --build-arg OCR=tesseract, or where the service runs "
    "without one install Debian's tesseract-ocr, tesseract-ocr-deu, tesseract-ocr-fra and tesseract-ocr-ita"
)


@dataclass(frozen=True)
class Engine:
    """The installed tesseract. `finds_orientation`: also of pages that lie on their side."""

    program: str
    languages: tuple[str, ...]
    finds_orientation: bool = False


@cache
def find_engine() -> Engine | None:
    """Looked up once in a process; None where there is no tesseract that knows one of the languages."""
    program = shutil.which("tesseract")
    if program is None:
        return None
    try:
        answer = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    installed = (answer.stdout + answer.stderr).split()
    languages = tuple(language for language in _LANGUAGES if language in installed)
    return Engine(program, languages, "osd" in installed) if languages else None


def check_picture(picture: bytes, limits: Limits) -> int:
    """How many pages it has, 1 where its head does not say.

    Raises DocumentError `too_large` or `too_many_pages` by what the picture's head says.
    """
    sizes = read_frame_sizes(picture, limits.pages)
    if len(sizes) > limits.pages:
        raise DocumentError("too_many_pages", f"The image has more than {limits.pages} pages.")
    for width, height in sizes:
        if width * height > limits.picture_pixels:
            megapixels = limits.picture_pixels // 1_000_000
            raise DocumentError(
                "too_large",
                f"The picture has {width} x {height} pixels, and at most {megapixels} million are read. "
                "Scan it with 300 dots per inch.",
            )
    return max(len(sizes), 1)


def recognise_text(picture: bytes, engine: Engine, limits: Limits, left: TimeLeft) -> Iterator[str]:
    """The text of each page of the picture in turn (only a TIFF has several), each within a picture's time.

    Raises DocumentError: `too_large`, `too_many_pages`, `too_slow`, `broken`.
    """
    for number in range(check_picture(picture, limits)):
        within_s = left.for_picture()
        if within_s <= 0:
            message = (
                f"Reading a document's pictures took more than {limits.ocr_s:.0f} seconds together. Send fewer pages."
            )
            raise DocumentError("too_slow", message)
        status, output = _run(_build_command(engine, number), picture, limits.ocr_memory_bytes, within_s)
        if status != 0:
            message = "The picture is damaged, or of a kind that cannot be read. Send a PNG or JPEG."
            raise DocumentError("broken", message)
        yield output.decode(errors="replace").strip("\f\n")


def _build_command(engine: Engine, number: int) -> list[str]:
    # 1: finds out how the page lies; 3: takes it to be upright. Kept blanks tell columns apart.
    mode = "1" if engine.finds_orientation else "3"
    languages = "+".join(engine.languages)
    settings = ["-c", "preserve_interword_spaces=1", "-c", f"tessedit_page_number={number}"]
    return [engine.program, "stdin", "stdout", "-l", languages, "--psm", mode, *settings]


def _run(command: Sequence[str], data: bytes, memory_bytes: int, within_s: float) -> tuple[int, bytes]:
    """Exit status and output. Whatever ends the wait ends the process; where this one is killed, its CPU limit does."""
    # None of the service's own environment, which holds secrets. One thread: a pod has seldom a core to spare.
    kept = {name: os.environ[name] for name in ("PATH", "TESSDATA_PREFIX") if name in os.environ}
    environment = {**kept, "OMP_THREAD_LIMIT": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            resource.prlimit(process.pid, resource.RLIMIT_AS, (memory_bytes, memory_bytes))
            cpu_s = int(within_s) + 1
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (cpu_s, cpu_s))
            output, _ = process.communicate(data, timeout=within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise DocumentError(
                "too_slow", f"Reading the text of a picture took more than {within_s:.0f} seconds. Send it smaller."
            ) from None
        except BaseException:
            process.kill()
            raise
    return process.returncode, output


@dataclass
class TimeLeft:
    """What is left of the time that a document's pictures may take together."""

    ends_at: float
    picture_s: float

    @classmethod
    def start(cls, limits: Limits) -> TimeLeft:
        return cls(time.monotonic() + limits.ocr_s, limits.ocr_picture_s)

    def for_picture(self) -> float:
        """Seconds for the next one; 0 or less when there are none."""
        return min(self.ends_at - time.monotonic(), self.picture_s)
