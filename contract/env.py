"""Every environment variable that a part of the service reads, with its default and its purpose.

The operator writes these into pods, `service.settings` reads them, docs/operations.md lists them; a drift test
holds the three together. Names marked `law` come from the contract with Reflex and never change.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable. `default` None: unset means "not configured"; the unit stands in `purpose`."""

    name: str
    default: str | None
    purpose: str
    secret: bool = False
    law: bool = True


VARIABLES: Final[tuple[Variable, ...]] = (
    Variable("CONTAINER_TYPE", "api", "Part that this container runs: api, worker, beat or flower."),
    Variable("PORT", "8090", "TCP port of the API."),
    Variable("LOG_LEVEL", "INFO", "Least level that is logged, where the flag document names none."),
    Variable("LOG_FORMAT", "auto", "`json`, `console` (for people), or `auto`: for people on a terminal, else JSON."),
    Variable("SERVICE_VERSION", "0.1.0", "Version that /version and /healthz answer."),
    Variable("AWS_REGION_NAME", "", "Region that /healthz answers."),
    Variable("UNIFIED_REGISTRY_ENABLED", "false", "The flag, where no flag document can be read."),
    Variable("REGISTRY_DEBUG", "false", "Logs each registry decision."),
    Variable("CELERY_CONCURRENCY", "4", "Worker processes in a worker container."),
    Variable("CELERY_QUEUES", "default,computation,llm,maintenance", "Queues a worker container consumes."),
    Variable("LISTENERS_REDIS_HOST", "127.0.0.1", "Valkey host."),
    Variable("LISTENERS_REDIS_PORT", "6379", "Valkey port."),
    Variable("LISTENERS_REDIS_PASSWORD", None, "Valkey password; unset or empty: no login.", secret=True),
    Variable("LISTENERS_REDIS_TLS", "false", "Valkey is behind TLS."),
    Variable("LISTENERS_REDIS_TLS_VERIFY", "true", "The certificate of Valkey is checked."),
    Variable(
        "LISTENERS_REDIS_TLS_CA_FILE",
        None,
        "File with the certificate (PEM) of the authority that signed Valkey's; unset: those that the system trusts.",
        law=False,
    ),
    Variable("LISTENERS_REDIS_DB", "0", "Valkey database; 0 is the only one in cluster mode."),
    Variable("USE_LOCAL_REDIS", "false", "127.0.0.1:6379 without TLS or password, whatever else is set."),
    Variable("LISTENERS_SERVICE_TOKEN", None, "Bearer token of /rpc, /debug and /status; unset: no auth.", secret=True),
    Variable("LISTENERS_CHANNEL_PREFIX", "user:", "Prefix of a user's event channel."),
    Variable("LISTENERS_CHAT_CHANNEL_PREFIX", "chat:", "Prefix of a chat's event channel."),
    Variable("LISTENERS_TTL_SECONDS", "90", "Presence: seconds that a heartbeat holds."),
    Variable("LISTENERS_HEARTBEAT_INTERVAL", "45", "Presence: seconds between heartbeats."),
    Variable("LISTENERS_DEBUG", "false", "Logs each event of the listeners."),
    Variable("WORKFLOW_LISTENER_ENABLED", "true", "Listens to the task_manager documents."),
    Variable("RPC_API_VERSION", "v1", "api_version that /rpc expects."),
    Variable("RPC_IDEMP_TTL", "900", "Seconds that an idempotency key is held."),
    Variable("RPC_IDEMP_DISABLE", "false", "Turns idempotency off for every method."),
    Variable("RPC_IDEMP_DISABLE_METHODS", "", "Methods without idempotency, separated by commas."),
    Variable("FIREBASE_ADMIN_JSON", None, "Service account of Firebase (JSON text).", secret=True),
    Variable("GOOGLE_PROJECT_ID", None, "Google project of Firestore."),
    Variable("FIREBASE_REALTIME_DB_URL", None, "URL of the Realtime Database."),
    Variable(
        "FIRESTORE_EMULATOR_HOST", None, "host:port of a Firestore emulator, used instead of Google's.", law=False
    ),
    Variable("CHROMA_HOST", None, "Chroma host."),
    Variable("CHROMA_PORT", "8000", "Chroma port."),
    Variable("CHROMA_SSL", "false", "Chroma is behind TLS."),
    Variable("CHROMA_TOKEN", None, "Token that Chroma asks for.", secret=True, law=False),
    Variable("OPENAI_API_KEY", None, "Key of the OpenAI-compatible endpoint.", secret=True),
    Variable("OPENAI_BASE_URL", None, "Base URL of the OpenAI-compatible endpoint."),
    Variable("EMBEDDINGS_MODEL", "text-embedding-ada-002", "Model that makes the vectors in Chroma.", law=False),
    Variable(
        "LLM_HISTORY_TOKENS",
        "4000",
        "How much of a conversation is sent to its model again, in tokens (estimated); gpt-4 takes 8192 in all.",
        law=False,
    ),
    Variable(
        "LLM_PRICES",
        "",
        "What a million tokens of a model cost, for the worker's figures: model=prompt/completion,…",
        law=False,
    ),
    Variable("RPC_NAMESPACES", "", "Mounted namespaces: NAME=package.module:factory,…"),
    Variable("RPC_MAX_BODY_BYTES", "10485760", "Largest body of /rpc, in bytes (413 above).", law=False),
    Variable("RPC_TIMEOUT_MS", "120000", "Limit of a call that sends no timeout_ms, in ms.", law=False),
    Variable("CELERY_KEY_PREFIX", "{pinnokio}:", "Prefix of broker and result keys: one cluster slot.", law=False),
    Variable("CELERY_SOFT_TIME_LIMIT_S", "3600", "Soft limit of a task, in seconds.", law=False),
    Variable("CELERY_HARD_TIME_LIMIT_S", "3660", "Hard limit of a task, in seconds.", law=False),
    Variable(
        "WORKER_MAX_TASKS_PER_CHILD", "500", "Tasks after which a worker process is replaced by a new one.", law=False
    ),
    Variable(
        "WORKER_MAX_MEMORY_PER_CHILD_MB",
        "512",
        "MB of memory above which a worker process is replaced, after the task that took it there.",
        law=False,
    ),
    Variable(
        "WORKER_CHILD_MEMORY_LIMIT_MB",
        "0",
        "MB that a worker process may take beyond what it began with: the task that asks for more fails; 0: no limit.",
        law=False,
    ),
    Variable(
        "WORKER_SOFT_SHUTDOWN_S",
        "20",
        "Seconds that QUIT leaves running tasks before they go back to their queue (TERM lets them end).",
        law=False,
    ),
    Variable("WORKER_HEARTBEAT_FILE", "/tmp/pinnokio-heartbeat", "File whose age the probes look at.", law=False),
    Variable(
        "WORKER_METRICS_PORT", "9540", "TCP port where a worker answers scrapes of its figures; 0: none.", law=False
    ),
    Variable(
        "FLOWER_BASIC_AUTH", None, "user:password of Flower's page; disabled: it asks for none.", secret=True, law=False
    ),
    Variable("BEAT_SCHEDULE_FILE", "/tmp/pinnokio-beat-schedule", "Where beat keeps its last runs.", law=False),
    Variable("BEAT_RUNS", "", "Chores that beat runs itself instead of queueing them: name,…", law=False),
    Variable("TASK_ROUTES", "", "Task types on other queues: type=queue,…", law=False),
    Variable(
        "LEGACY_SESSION_SCAN",
        "false",
        "Scans the legacy registry for a session that its index does not know (the old service still writes).",
        law=False,
    ),
    Variable("POD_NAME", None, "Name of the pod, for acknowledgements and logs.", law=False),
    Variable("WS_ALLOWED_ORIGINS", "", "Browser origins that may open /ws, separated by commas.", law=False),
    Variable("WS_AUTH", "none", "none, or token: /ws asks for the bearer token too.", law=False),
    Variable(
        "FLAG_FILE",
        "/etc/pinnokio/flag.json",
        "Mounted flag document, read while Valkey has none.",
        law=False,
    ),
)

BY_NAME: Final[dict[str, Variable]] = {variable.name: variable for variable in VARIABLES}

PART_API: Final = "api"
PART_WORKER: Final = "worker"
PART_BEAT: Final = "beat"
PART_FLOWER: Final = "flower"
