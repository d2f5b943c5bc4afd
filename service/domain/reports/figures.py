"""The figures that a report is made from: what the caller gathered from the stores, and nothing else.

All are plain and frozen. None means that a figure could not be read or does not exist: a report says so and never
counts it as 0. No prompt, no answer and no document's text is among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Quotas:
    """A company's limits. None: no limit is known."""

    max_tasks_per_user: int | None = None
    max_llm_requests_per_hour: int | None = None
    storage_limit_mb: int | None = None


@dataclass(frozen=True, slots=True)
class UserFigures:
    """A user of the company. `last_activity` aware; None: never seen."""

    user_id: str
    role: str = "user"
    last_activity: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """A task of the company, ended or not. Times are aware; `status` is one of `service.domain.tasks`'."""

    task_id: str
    task_type: str
    user_id: str
    status: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None

    @property
    def duration_s(self) -> float | None:
        """How long it ran; None while it runs, or where it never did."""
        if self.started_at is None or self.ended_at is None:
            return None
        return max((self.ended_at - self.started_at).total_seconds(), 0.0)

    @property
    def wait_s(self) -> float | None:
        """How long it waited for a worker; None while it waits."""
        return None if self.started_at is None else max((self.started_at - self.created_at).total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class CollectionFigures:
    """A collection of vectors. Sizes in bytes; None: it could not be read."""

    name: str
    document_count: int | None = None
    embeddings_bytes: int | None = None
    documents_bytes: int | None = None
    metadata_bytes: int | None = None

    @property
    def total_bytes(self) -> int | None:
        parts = (self.embeddings_bytes, self.documents_bytes, self.metadata_bytes)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None


@dataclass(frozen=True, slots=True)
class ConversationFigures:
    """A conversation. `tokens_used`: of the turns that are kept, None: not known; `is_estimate`: some we counted, and
    not the model's server.
    """

    conversation_id: str
    user_id: str
    model: str
    started_at: datetime
    tokens_used: int | None = None
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class CompanyFigures:
    """All that was gathered of a company at `gathered_at`. A list that is None could not be read at all.

    `since`: how far back tasks and conversations are kept (24 hours after their end, by default). `llm_requests`: of
    the last hour, as the quota counts them.
    """

    company_id: str
    company_name: str
    gathered_at: datetime
    since: datetime
    quotas: Quotas = Quotas()
    users: tuple[UserFigures, ...] | None = None
    tasks: tuple[TaskFigures, ...] | None = None
    collections: tuple[CollectionFigures, ...] | None = None
    conversations: tuple[ConversationFigures, ...] | None = None
    llm_requests: int | None = None
