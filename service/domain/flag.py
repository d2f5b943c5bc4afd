"""Decides for a user whether the unified registry is on (design.md, "The flag"). The document is `contract.flag`'s."""

import hashlib
from typing import Final

from contract.flag import FlagDocument

WHOLE_BP: Final = 10_000


def is_on(document: FlagDocument, user_id: str, company_id: str | None) -> bool:
    """Whether the unified registry is on for a user. `company_id`: the user's first authorised company; None: unknown.

    Cases in order: not enabled → off; excluded user → off; listed user → on; listed company → on; a percentage →
    by the bucket's place; an audience without a percentage → off; `enabled` alone → on.
    Example: enabled, 1,000 bp, company "acme" at place 0.0734 → on, because 734 < 1,000.
    """
    if not document.enabled or user_id in document.exclude_users:
        return False
    if user_id in document.users or (company_id is not None and company_id in document.companies):
        return True
    if document.percent_bp is not None:
        return place_bp(document.salt, company_id or user_id) < document.percent_bp
    return not (document.users or document.companies)


def place_bp(salt: str, bucket: str) -> int:
    """A bucket's place among 10,000: even over buckets, the same for ever, whatever the percentage.

    A tenant shares one bucket and is never split; as the place stays, a growing percentage only ever adds.
    """
    digest = hashlib.sha256(f"{salt}:{bucket}".encode()).digest()
    return int.from_bytes(digest, "big") * WHOLE_BP >> (8 * len(digest))


def needs_company(document: FlagDocument) -> bool:
    """Whether the decision can depend on the user's company, so that it is worth looking up."""
    return document.enabled and (bool(document.companies) or document.percent_bp is not None)
