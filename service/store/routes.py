"""Routes as the flag document has them, for who looks now and then; the API follows them by `service.store.flag`."""

import msgspec
import structlog

from contract import flag, keys
from service.store.client import Valkey

log = structlog.get_logger("pinnokio.maintenance")


async def read_routes(valkey: Valkey) -> dict[str, str]:
    """Task type → queue; empty where there is no document that can be read."""
    document = await valkey.get(keys.FLAG)
    try:
        return flag.decode(document).routes if document else {}
    except msgspec.DecodeError as fault:
        log.error("flag_document_unreadable", error=repr(fault))
        return {}
