"""The page as a person has it: opened on a phone, logged in to, read; in light and dark; when Valkey is gone."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import Browser, Page

from tests.service.application import behind_uvicorn
from tests.service.valkey_server import RunningValkey, settings_for
from tests.status.chromium import open_chromium
from tests.status.lively import SCRIPT, TOKEN, WORKERS, Lively, running_service

# The narrowest phone that is about, and a table that is as wide as a desk.
PHONE: Final = 360
DESK: Final = 1280


class Looking:
    """A page, and what the browser complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    async def overflow_px(self) -> int:
        """By how much it is wider than the screen."""
        width: int = await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return width

    async def background(self) -> str:
        color: str = await self.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return color


@asynccontextmanager
async def looking(
    browser: Browser, *, width: int = PHONE, password: str = TOKEN, scheme: Literal["light", "dark"] = "light"
) -> AsyncIterator[Looking]:
    context = await browser.new_context(
        viewport={"width": width, "height": 740},
        is_mobile=width == PHONE,
        device_scale_factor=2,
        color_scheme=scheme,
        http_credentials={"username": "anybody", "password": password},
    )
    try:
        yield Looking(await context.new_page())
    finally:
        await context.close()


async def test_a_person_looks(tmp_path: Path) -> None:
    """One service for all that is looked at: bringing it up takes longer than the rest."""
    async with running_service(tmp_path) as service, open_chromium() as browser:
        await service.live(SCRIPT)
        await _is_kept_out(browser, service)
        await _reads_on_a_phone(browser, service)
        await _reads_in_the_dark_at_a_desk(browser, service)


async def test_a_person_sees_that_valkey_is_gone(own_valkey: RunningValkey) -> None:
    settings = settings_for(own_valkey.settings, LISTENERS_SERVICE_TOKEN=TOKEN)
    async with behind_uvicorn(settings) as api, open_chromium() as browser, looking(browser) as look:
        own_valkey.stop()
        response = await look.page.goto(f"{api.base_url}/status")
        assert response is not None
        assert response.status == 503
        assert await look.page.locator("h1").inner_text() == "Something is wrong"
        assert "Valkey does not answer" in await look.page.locator(".looks").inner_text()
        assert await look.overflow_px() == 0


async def _is_kept_out(browser: Browser, service: Lively) -> None:
    async with looking(browser, password="another") as look:
        response = await look.page.goto(f"{service.url}/status")
        assert response is not None
        assert response.status == 401
        assert await look.page.get_by_text("llm").count() == 0


async def _reads_on_a_phone(browser: Browser, service: Lively) -> None:
    async with looking(browser) as look:
        page = look.page
        response = await page.goto(f"{service.url}/status")
        assert response is not None
        assert response.status == 200
        assert await page.locator("h1").inner_text() == "Something needs a look"
        assert "25 % and 2 users" in await page.locator("#flag").inner_text()
        llm = page.locator("#queues tr", has_text="llm").locator("td")
        assert (await llm.all_inner_texts())[0] == "3"
        assert (await llm.all_inner_texts())[2:] == ["2 of 2", "1"]
        failures = page.locator("#failures li")
        assert await failures.count() == 2
        # Somebody's words are text, whatever they say.
        assert await failures.locator("code").filter(has_text=f"doc_analysis_{SCRIPT}").count() == 1
        assert await page.title() == "Pinnokio: Something needs a look"
        for name in WORKERS.values():
            assert await page.locator("#workers li", has_text=name).count() == 1
        assert await page.locator("#workers .tasks li", has_text="llm_conversation").count() == 2
        assert "OpenAI endpoint" in await page.locator("#dependencies").inner_text()
        assert await look.overflow_px() == 0
        await page.get_by_role("link", name="every 10 s").click()
        await page.get_by_role("link", name="stop").click()
        assert await page.get_by_role("link", name="look again").count() == 1
        assert (look.complaints, {url.partition("?")[0] for url in look.requests}) == ([], {f"{service.url}/status"})
        assert TOKEN not in " ".join(look.requests)


async def _reads_in_the_dark_at_a_desk(browser: Browser, service: Lively) -> None:
    async with looking(browser) as look:
        await look.page.goto(f"{service.url}/status")
        light = await look.background()
    async with looking(browser, width=DESK, scheme="dark") as look:
        await look.page.goto(f"{service.url}/status")
        assert await look.background() != light
        assert await look.overflow_px() == 0
        assert look.complaints == []
