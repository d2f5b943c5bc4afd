"""Debian's Chromium, driven by Playwright."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.debian import find_program


@asynccontextmanager
async def open_chromium() -> AsyncIterator[Browser]:
    """Without a window. Its fonts are Debian's, so that a picture is the same on each machine."""
    executable = find_program("chromium", "chromium", "fonts-dejavu-core")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable)
        try:
            yield browser
        finally:
            await browser.close()
