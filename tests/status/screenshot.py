"""`python -m tests.status.screenshot`: draws docs/images/status.png anew, of a service that is brought up for it."""

import asyncio
import io
import tempfile
from pathlib import Path
from typing import Final

from PIL import Image

from tests.cluster.model import REPOSITORY
from tests.status.chromium import open_chromium
from tests.status.lively import TOKEN, running_service

PICTURE: Final = REPOSITORY / "docs" / "images" / "status.png"
WIDTH: Final = 900
# What the page shows are a dozen colours and the edges of letters.
COLORS: Final = 64


async def draw_status() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with running_service(Path(folder)) as service, open_chromium() as browser:
            await service.live("scan-0093")
            context = await browser.new_context(
                viewport={"width": WIDTH, "height": 600}, http_credentials={"username": "", "password": TOKEN}
            )
            page = await context.new_page()
            await page.goto(f"{service.url}/status")
            drawn = await page.screenshot(full_page=True)
    PICTURE.parent.mkdir(exist_ok=True)
    Image.open(io.BytesIO(drawn)).convert("RGB").quantize(COLORS).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(REPOSITORY)}: {PICTURE.stat().st_size / 1024:.0f} KB")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(draw_status())
