"""Gathers what is known of a company for a report: from the registries, the quotas and Chroma.

What cannot be read is None, and the report says so; what a report does not show is not read.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from contract import keys
from contract.queues import LLM_CONVERSATION
from service.domain.conversation import conversation_id_of
from service.domain.errors import DependencyRefused, DependencyUnavailable
from service.domain.quotas import MAX_LLM_REQUESTS_PER_HOUR, MAX_TASKS_PER_USER, STORAGE_LIMIT_MB
from service.domain.reports import (
    CollectionFigures,
    CompanyFigures,
    ConversationFigures,
    Quotas,
    TaskFigures,
    UserFigures,
)
from service.domain.tasks import TaskEntry
from service.store.conversations import ConversationKey, SpentTurn
from service.tasks.declaring import TaskContext
from service.tasks.services import Services

log = structlog.get_logger("pinnokio.reports")

# Reports that show what is stored, and what was said; for the others it is not read.
_WITH_STORAGE: Final = frozenset({"usage", "storage"})
_WITH_CONVERSATIONS: Final = frozenset({"usage", "conversations"})
_REGISTRY_PERCENT: Final = 15
_GATHERED_PERCENT: Final = 40


async def gather_figures(context: TaskContext, report_type: str, now: datetime) -> CompanyFigures:
    """All figures of the task's company at `now`. Raises redis-py's errors."""
    services, company_id = context.services, context.company_id
    company = await services.unified.read_company(company_id) or {}
    entries, is_complete = await services.tasks.read_of_company(company_id)
    tasks = tuple(_task(entry) for entry in entries)
    since = now - timedelta(seconds=keys.TASK_ENDED_TTL_S)
    if not is_complete and tasks:
        since = min(max(since, min(task.created_at for task in tasks)), now)
    quotas = await _read_quotas(services, company_id)
    conversations = await _read_conversations(services, entries) if report_type in _WITH_CONVERSATIONS else ()
    llm_requests = await services.quotas.count_requests(company_id)
    await context.step_done("reading_registry", _REGISTRY_PERCENT)
    collections = await _read_collections(context, company) if report_type in _WITH_STORAGE else ()
    await context.step_done("reading_storage", _GATHERED_PERCENT)
    return CompanyFigures(
        company_id=company_id,
        company_name=company.get("company_info", {}).get("company_name", company_id),
        gathered_at=now,
        since=since,
        quotas=quotas,
        users=tuple(_users(company.get("active_users", {}), tasks)),
        tasks=tasks,
        collections=collections,
        conversations=conversations,
        llm_requests=llm_requests,
    )


async def _read_quotas(services: Services, company_id: str) -> Quotas:
    read = services.limits.read
    return Quotas(
        max_tasks_per_user=await read(MAX_TASKS_PER_USER, company_id),
        max_llm_requests_per_hour=await read(MAX_LLM_REQUESTS_PER_HOUR, company_id),
        storage_limit_mb=await read(STORAGE_LIMIT_MB, company_id),
    )


async def _read_conversations(services: Services, entries: Sequence[TaskEntry]) -> tuple[ConversationFigures, ...]:
    """Those of which a turn is kept; each has one task, whatever its turns."""
    names = [
        ConversationKey(entry.company_id, entry.user_id, conversation_id_of(entry.task_id))
        for entry in entries
        if entry.task_type == LLM_CONVERSATION
    ]
    spent = services.conversations.read_spent(names)
    return tuple([_conversation(key, turns) async for key, turns in spent if turns])


async def _read_collections(context: TaskContext, company: Mapping[str, Any]) -> tuple[CollectionFigures, ...]:
    """Those that its users registered, and those that its tasks wrote to."""
    registered = company.get("services", {}).get("chroma_collections", [])
    counted = await context.services.storage.read_collections(context.company_id)
    found: list[CollectionFigures] = []
    is_away = False
    for name in dict.fromkeys([*registered, *counted]):
        figures = CollectionFigures(name)
        if not is_away:
            try:
                figures = await _read_collection(context.services, name)
            except DependencyRefused as fault:
                log.warning("collection_not_counted", collection_name=name, error=fault.logged)
            except DependencyUnavailable as fault:
                # Asking for each of the others would only take its time-out.
                log.warning("collection_not_counted", collection_name=name, error=fault.logged)
                is_away = True
        found.append(figures)
    return tuple(found)


async def _read_collection(services: Services, name: str) -> CollectionFigures:
    sizes = await services.gateways.vectors.read_sizes(name)
    return CollectionFigures(
        name, sizes.document_count, sizes.embeddings_size, sizes.documents_size, sizes.metadata_size
    )


def _users(active: Mapping[str, Any], tasks: Iterable[TaskFigures]) -> Iterable[UserFigures]:
    """Who is there now, and who started a task and has left since."""
    last_started: dict[str, datetime] = {}
    for task in tasks:
        last_started[task.user_id] = max(task.created_at, last_started.get(task.user_id, task.created_at))
    for user_id, user in active.items():
        yield UserFigures(user_id, user.get("role", "user"), _time(user.get("last_activity")))
    for user_id, started_at in last_started.items():
        if user_id not in active:
            yield UserFigures(user_id, last_activity=started_at)


def _task(entry: TaskEntry) -> TaskFigures:
    return TaskFigures(
        entry.task_id,
        entry.task_type,
        entry.user_id,
        entry.status,
        datetime.fromisoformat(entry.created_at),
        _time(entry.started_at),
        _time(entry.ended_at),
        # As the log has it: the user's own sentence may quote what was sent.
        entry.logged or entry.error,
    )


def _conversation(key: ConversationKey, turns: Sequence[SpentTurn]) -> ConversationFigures:
    """The model is the last turn's."""
    return ConversationFigures(
        key.conversation_id,
        key.user_id,
        turns[-1].model,
        datetime.fromisoformat(turns[0].timestamp),
        sum(turn.tokens_used for turn in turns),
        any(turn.is_estimate for turn in turns),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
