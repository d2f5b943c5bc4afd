"""Which provider this clone's cluster comes from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from tests.cluster.docker import engine_runs
from tests.cluster.model import CLUSTER_DIR, ClusterError, Provider, prepare_cluster_dir, read_json, write_private
from tests.cluster.providers.existing import ExistingProvider, is_reachable, read_current_context
from tests.cluster.providers.kind import KindProvider
from tests.cluster.providers.source import SourceProvider, why_unfit

RECORD = CLUSTER_DIR / "provider.json"


@dataclass(frozen=True)
class Observed:
    """What a choice is made from. `context` is a current kubectl context that answers and is not this clone's own."""

    requested: str
    recorded: str
    context: str | None
    docker: bool
    source_unfit: str | None


def choose_provider(observed: Observed) -> Provider:
    """The provider for what is there; `ClusterError` says what is missing where none can be had.

    1. what CLUSTER names: `kind`, `source`, or a kubectl context;
    2. what this clone's cluster came from until now;
    3. the current kubectl context; 4. kind, where Docker runs; 5. from source.

    A machine with nothing but root, Debian and Go: from source.
    """
    for wish in (observed.requested, observed.recorded):
        if wish:
            return _named(wish, observed)
    if observed.context is not None:
        return ExistingProvider(observed.context)
    if observed.docker:
        return KindProvider()
    return _named("source", observed)


def select_provider() -> Provider:
    """Look at this machine and choose."""
    requested = os.environ.get("CLUSTER", "").strip()
    recorded = "" if requested else _read_record()
    context = None if requested or recorded else _read_usable_context()
    docker = (not recorded and not context and requested in {"", "kind"}) and engine_runs()
    needs_source = "source" in {requested, recorded} or not (requested or recorded or context or docker)
    return choose_provider(Observed(requested, recorded, context, docker, why_unfit() if needs_source else None))


def record_provider(provider: Provider) -> None:
    """Remember where this clone's cluster comes from, until `forget_provider`."""
    prepare_cluster_dir()
    wish = provider.context if isinstance(provider, ExistingProvider) else provider.name
    write_private(RECORD, json.dumps({"cluster": wish}))


def is_recorded() -> bool:
    return RECORD.exists()


def forget_provider() -> None:
    RECORD.unlink(missing_ok=True)


def _named(wish: str, observed: Observed) -> Provider:
    if wish == "kind":
        if not observed.docker and observed.requested:
            raise ClusterError("CLUSTER=kind needs a Docker engine, and none answers here")
        return KindProvider()
    if wish != "source":
        return ExistingProvider(wish)
    if observed.source_unfit is not None:
        raise ClusterError(
            "no Kubernetes cluster can be had here: there is no current kubectl context that answers,"
            f" no Docker engine for kind, and {observed.source_unfit}.\n"
            "  try: CLUSTER=<kubectl context> with a cluster of yours, or `make dev`, which needs no Kubernetes"
        )
    return SourceProvider()


def _read_record() -> str:
    return str((read_json(RECORD) or {}).get("cluster", ""))


def _read_usable_context() -> str | None:
    context = read_current_context()
    is_own = context is not None and context.startswith("pinnokio-")
    return None if context is None or is_own or not is_reachable("--context", context) else context
