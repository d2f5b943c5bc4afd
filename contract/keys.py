"""Names of Valkey keys and channels. Times to live stand beside the key they belong to, in seconds.

Each registry operation touches one key, or several whose failure between them is harmless: Valkey in cluster mode
refuses commands over keys of different slots. Celery's own keys share one slot by their prefix.
"""

from typing import Final

DAY_S: Final = 86_400
LEGACY_TTL_S: Final = DAY_S
COLLECTION_TTL_S: Final = 90
UNIFIED_TTL_S: Final = DAY_S
TASK_ENDED_TTL_S: Final = DAY_S
# A task's entry outlives its longest run by this much (contract.md, "Documents").
TASK_GRACE_S: Final = 300
# A queued task's entry and arguments are kept this long; a message that waits longer finds its task unknown.
TASK_QUEUED_TTL_S: Final = 7 * DAY_S
# A company's tasks that its reports know, the newest of them.
COMPANY_TASKS_MAX: Final = 10_000
RESULT_TTL_S: Final = DAY_S
CONVERSATION_TTL_S: Final = DAY_S
EVENTS_TTL_S: Final = 3_600
EVENTS_MAX_ENTRIES: Final = 1_000
EVENTS_MAX_BYTES: Final = 64 * 1024

# {pinnokio} is a hash tag: broker and results share one slot (measured: without it Celery dies with CROSSSLOT).
CELERY_PREFIX: Final = "{pinnokio}:"

# kombu's: messages of one queue by priority (queue, queue + separator + step), and those that were handed out.
PRIORITY_SEPARATOR: Final = "\x06\x16"
PRIORITY_STEPS: Final = (0, 3, 6, 9)
UNACKED: Final = "unacked"

FLAG: Final = "pinnokio:flag"
FLAG_CHANNEL: Final = "pinnokio:flag:changed"
FLAG_ACKS: Final = "pinnokio:flag:acks"
OWNER: Final = "pinnokio:owner"
# Sorted set of the tasks that have not ended; the score is when maintenance looks at one next (ms since 1970). A task
# may stand in it after its end, until it is looked at.
OPEN_TASKS: Final = "pinnokio:tasks:open"
# Sorted set of `{company}:{collection}` whose storage is counted; the score is when maintenance looks whether the count
# is true (ms since 1970).
STORAGE_CHECKS: Final = "pinnokio:storage:checks"
# Sorted set of the last tasks that failed, for /status: JSON of each; the score is when (ms since 1970).
FAILURES: Final = "pinnokio:failures"
FAILURES_MAX: Final = 50
FAILURES_TTL_S: Final = DAY_S
# Hash of how many runs ended how, and were lost, since ever: `{type}:{word}` → how many.
TASK_COUNTS: Final = "pinnokio:tasks:counts"
# JSON of the last health check: which dependency answers the workers, and how soon.
HEALTH: Final = "pinnokio:health"
HEALTH_TTL_S: Final = 3_600
# JSON of what maintenance counted over the whole service last, for /metrics.
FIGURES: Final = "pinnokio:figures"
FIGURES_TTL_S: Final = 3_600
# Sorted set of the processes that hold listeners; the score is until when each is believed alive (ms since 1970).
LISTENER_HOLDERS: Final = "pinnokio:listeners"
# How far `python -m service restore-legacy` has come; kept for a day after it was interrupted.
RESTORE_LEGACY: Final = "pinnokio:restore-legacy"


def legacy_user(user_id: str) -> str:
    return f"registry:user:{user_id}"


def legacy_collection(user_id: str, collection_name: str) -> str:
    return f"registry:chroma:{user_id}:{collection_name}"


def session(session_id: str) -> str:
    """The users of a session, so that unregistering needs no scan."""
    return f"registry:session:{session_id}"


def unified_user(user_id: str) -> str:
    return f"registry:unified:{user_id}"


def company(company_id: str) -> str:
    return f"registry:company:{company_id}"


def task(task_id: str) -> str:
    return f"registry:task:{task_id}"


def task_payload(task_id: str) -> str:
    """Arguments of a task: its Celery message only names them."""
    return f"payload:{task_id}"


def company_tasks(company_id: str) -> str:
    """Sorted set of a company's tasks, for reports; the score is when one was started (ms since 1970)."""
    return f"pinnokio:tasks:of:{company_id}"


def task_checkpoint(task_id: str) -> str:
    """How far a run came, for the attempt after one whose worker died; kept as long as a run may take."""
    return f"checkpoint:{task_id}"


def conversation(company_id: str, user_id: str, conversation_id: str) -> str:
    """Hash of a conversation: its last turn (contract.md, "Documents"), and `turn:{run}` for those sent again."""
    return f"conversation:{company_id}:{user_id}:{conversation_id}"


def task_result(task_id: str) -> str:
    return f"result:{task_id}"


def task_quota(company_id: str, user_id: str) -> str:
    """Hash of a user's open tasks in a company: task id → which start, and until when it counts (ms since 1970)."""
    return f"quota:tasks:{company_id}:{user_id}"


def request_quota(company_id: str) -> str:
    """Sorted set of the LLM requests that a company started within the last hour; the score is when (ms since 1970)."""
    return f"quota:requests:{company_id}"


def company_limits(company_id: str) -> str:
    """Hash of the limits that Firestore last told of a company, for processes without Firestore; and when that was."""
    return f"quota:limits:{company_id}"


def storage_quota(company_id: str) -> str:
    """Hash of what a company's collections take up in Chroma, and of what is reserved (`service.store.storage`)."""
    return f"quota:storage:{company_id}"


def collection_owner(collection_name: str) -> str:
    """The company whose storage quota a collection counts against: the one that wrote to it first."""
    return f"quota:collection:{collection_name}"


def task_duration(task_type: str) -> str:
    """Running mean of a type's durations in seconds, for `estimated_completion`."""
    return f"pinnokio:duration:{task_type}"


def idempotency(key: str) -> str:
    return f"idemp:{key}"


def events(user_id: str) -> str:
    """Stream of a user's last events; an entry's id is the `id` of its envelope."""
    return f"events:{user_id}"


def relay_channel(user_id: str) -> str:
    """Internal channel by which any process reaches the API replicas that hold the user's sockets."""
    return f"pinnokio:relay:{user_id}"


def worker_heartbeats(queue: str) -> str:
    """Hash of a queue: a field a worker, value JSON of active, slots, seen_at, since and running."""
    return f"pinnokio:workers:{queue}"


def backlog_lists(queue: str) -> tuple[str, ...]:
    """Names, below the prefix, of the lists in which messages of a queue wait, by priority."""
    return tuple(f"{queue}{PRIORITY_SEPARATOR}{step}" if step else queue for step in PRIORITY_STEPS)


def presence(user_id: str) -> str:
    """Sorted set of a user's open sockets on all replicas; the score is when one counts no more (ms since 1970)."""
    return f"presence:{user_id}"


def listener(name: str) -> str:
    """Who listens to Firebase for a user, or for a thread that a user has open; value: a field of LISTENER_HOLDERS."""
    return f"listener:{name}"


def chat_position(name: str) -> str:
    """The last message of a thread that its listener knew, for whoever takes over from one that died."""
    return f"pinnokio:chat:{name}"
