"""figures: counts what /metrics tells of the whole service (users, sessions, companies, quotas), and looks for drift.

One summary a minute, which every API pod reads with one command: no scrape looks at more, however much there is.
"""

import time
from collections import Counter
from typing import Final, get_args

import msgspec
import structlog

from contract import keys
from contract.flag import FlagDocument, decode
from service.domain import flag as rules
from service.domain.drift import Kind
from service.domain.figures import DriftFigures, Figures, fold_counts, fold_uses
from service.store.census import Census
from service.store.comparing import compare_sample
from service.store.figures import FiguresStore
from service.store.sampling import Sample
from service.tasks.services import Services
from service.worker.chore import chore

log = structlog.get_logger("pinnokio.maintenance")

# Of each registry, each minute: a few milliseconds, and everybody within the hour where there are 10,000.
SAMPLE: Final = 200


@chore("figures", every_s=60)
async def count_figures(services: Services) -> None:
    started = time.monotonic()
    census = Census(services.lane)
    sample = await census.scan(SAMPLE)
    uses = await census.read_uses(services.limits)
    figures = Figures(
        counted_at=time.time(),
        users={"legacy": sample.legacy, "unified": sample.unified},
        sessions=census.sessions,
        active_users=fold_counts(await census.count_active_users()),
        quotas={quota: fold_uses(of_companies) for quota, of_companies in uses.items()},
        drift=await look_for_drift(services, sample),
    )
    await FiguresStore(services.lane).write(figures)
    log.info("figures_counted", sessions=figures.sessions, duration_s=round(time.monotonic() - started, 3))


async def look_for_drift(services: Services, sample: Sample) -> DriftFigures:
    """Compares the sample's users for whom the flag is on, as `python -m service verify` does with more of them."""
    document = await _read_flag(services)

    async def is_on(user_id: str) -> bool:
        company_id = await services.unified.first_company(user_id) if rules.needs_company(document) else None
        return rules.is_on(document, user_id, company_id)

    compared = await compare_sample(services.lane, sample, is_on, writes_legacy=document.legacy_writes)
    drifted = {user_id: found.drifts for user_id, found in compared.users.items() if found.drifts}
    kinds: Counter[str] = Counter(drift.kind for drifts in drifted.values() for drift in drifts)
    if drifted:
        log.error("registry_drift", users=len(drifted), compared=len(compared.users), **kinds)
    return DriftFigures(len(compared.users), len(drifted), {kind: kinds[kind] for kind in get_args(Kind)})


async def _read_flag(services: Services) -> FlagDocument:
    raw = await services.lane.ask("GET", keys.FLAG)
    try:
        if raw:
            return decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        log.error("flag_unreadable", error=str(fault))
    return FlagDocument(revision=0, enabled=services.settings.flag_enabled)
