"""Content that is sent inline, as base64."""

import base64
import binascii
import re

from service.domain.errors import RefusedInput


def decode_base64(encoded: str, refusal: type[RefusedInput]) -> bytes:
    """Raises `refusal` with the code `invalid_base64`."""
    # A data URL's head and line breaks are what browsers and MIME tools add; anything else is a mistake.
    body = re.sub(r"^data:[^,]{0,200},", "", encoded)
    try:
        return base64.b64decode(re.sub(r"\s+", "", body), validate=True)
    except (binascii.Error, ValueError) as error:
        raise refusal("invalid_base64", f"content_base64 is not valid base64: {error}.") from None
