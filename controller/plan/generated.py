"""The generated Secret and the flag's revision: what is kept of the old, what has to be new."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from contract import flag, kubernetes
from controller.manifests.target import GeneratedSecret, secret_keys
from controller.model.observed import ObservedObject
from controller.model.service import ServiceKey
from controller.model.spec import PinnokioServiceSpec

# What stands before a generated value: Flower's is user:password.
_PREFIXES: Final = {kubernetes.FLOWER_KEY: "pinnokio:"}


def plan_secret(
    spec: PinnokioServiceSpec, seen: ObservedObject | None, generate: Callable[[], str]
) -> GeneratedSecret | None:
    """Values that are there are kept; missing or empty ones come from `generate`. None: the spec calls for none."""
    wanted = secret_keys(spec)
    if not wanted:
        return None
    known = _read_values(seen)
    values = {name: known.get(name) or f"{_PREFIXES.get(name, '')}{generate()}" for name in wanted}
    return GeneratedSecret(
        values=values,
        resource_version=seen.resource_version if seen else None,
    )


def is_secret_complete(spec: PinnokioServiceSpec, seen: ObservedObject | None) -> bool:
    known = _read_values(seen)
    return all(known.get(name) for name in secret_keys(spec))


def _read_values(seen: ObservedObject | None) -> dict[str, str]:
    """What can be read; what cannot is treated as missing, and so made anew."""
    values = {}
    for name, encoded in ((seen.document.get("data") or {}) if seen else {}).items():
        try:
            values[name] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
    return values


def plan_flag(
    key: ServiceKey,
    spec: PinnokioServiceSpec,
    audience: flag.FlagDocument,
    known: Iterable[flag.FlagDocument | None],
) -> flag.FlagDocument:
    """The flag document to publish: `audience` (`controller.plan.audience`) with a revision that only grows.

    In this order: none known → 1; all of the newest revision say the same → that revision; else one more.
    Example: the mounted file has revision 5, Valkey (a kept volume) 9 with other words → 10.
    """
    said = msgspec.structs.replace(
        audience, salt=str(key), routes=dict(sorted(spec.routes.items())), log_level=spec.log_level
    )
    documents = [document for document in known if document is not None]
    newest = choose_newest(documents)
    if newest is None:
        return msgspec.structs.replace(said, revision=1)
    wanted = msgspec.structs.replace(said, revision=newest.revision)
    if all(document == wanted for document in documents if document.revision == newest.revision):
        return wanted
    return msgspec.structs.replace(said, revision=newest.revision + 1)


def choose_newest(known: Iterable[flag.FlagDocument | None]) -> flag.FlagDocument | None:
    """Of the highest revision, the first named; None: there is none."""
    return max((each for each in known if each is not None), key=lambda each: each.revision, default=None)


def read_flag(seen: ObservedObject | None) -> flag.FlagDocument | None:
    """The document of the mounted ConfigMap; None: there is none that can be read."""
    text = (seen.document.get("data") or {}).get(kubernetes.FLAG_KEY) if seen else None
    if not text:
        return None
    try:
        return flag.decode(text)
    except ValueError:
        return None
