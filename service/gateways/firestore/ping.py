"""Whether Firestore answers this service account, by one request of its REST API.

Not by the client beside: workers need nothing else of Firestore, and grpc takes 40 MB of each.
"""

import asyncio
import importlib
from typing import Any, Final

from service.domain.errors import DependencyRefused, DependencyUnavailable
from service.gateways.firestore.access import EMULATOR_TOKEN, HOST, FirestoreAccess
from service.gateways.firestore.companies import COLLECTION

# Nobody's document: that there is none is an answer.
_DOCUMENT: Final = "pinnokio-health-check"
NO_ANSWER: Final = "Firestore does not answer"


async def ping_firestore(access: FirestoreAccess, limit_s: float) -> None:
    """Raises DependencyUnavailable or DependencyRefused."""
    await asyncio.to_thread(importlib.import_module, "aiohttp")
    import aiohttp

    token = EMULATOR_TOKEN if access.account is None else await asyncio.to_thread(build_token, access.account)
    base = f"http://{access.emulator_host}" if access.emulator_host else f"https://{HOST}"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=limit_s)) as session,
            session.get(
                f"{base}/v1/{access.root}/{COLLECTION}/{_DOCUMENT}", headers={"Authorization": f"Bearer {token}"}
            ) as response,
        ):
            status = response.status
    except (aiohttp.ClientError, TimeoutError) as fault:
        raise DependencyUnavailable(NO_ANSWER) from fault
    if status in (401, 403):
        raise DependencyRefused("Firestore refuses the service account (FIREBASE_ADMIN_JSON)")
    if status not in (200, 404):
        raise DependencyUnavailable(f"Firestore answers with HTTP status {status}")


def build_token(account: dict[str, Any]) -> str:
    """A token signed here, as the client's are: no other server is asked for it."""
    from google.auth.jwt import Credentials

    from_info: Any = Credentials.from_service_account_info
    credentials = from_info(account, audience=f"https://{HOST}/")
    credentials.refresh(None)
    return str(credentials.token.decode() if isinstance(credentials.token, bytes) else credentials.token)
