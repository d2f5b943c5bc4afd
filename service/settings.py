"""What the environment says, read once at start-up and handed on; names, defaults and units: `contract.env`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.env import BY_NAME, PART_API

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
# The standard library's names.
LEVELS = ("debug", "info", "warning", "warn", "error", "critical", "fatal")
FALSE_WORDS = frozenset({"", "0", "false", "no", "off"})


class SettingsError(ValueError):
    """A variable holds what cannot be read; the message names it and what it takes."""


@dataclass(frozen=True, slots=True)
class ValkeySettings:
    """Where Valkey is. `password` None: no login. `tls_ca_file` None: the authorities that the system trusts."""

    host: str
    port: int
    db: int
    tls: bool
    tls_verify: bool
    password: str | None = field(repr=False)
    tls_ca_file: str | None = None

    @property
    def url(self) -> str:
        """URL without the password, for logs and for clients that take the password apart."""
        return f"{'rediss' if self.tls else 'redis'}://{self.host}:{self.port}/{self.db}"


@dataclass(frozen=True, slots=True)
class ChromaSettings:
    """Where Chroma is. `host` None: there is none. `token` None: it asks for none."""

    host: str | None
    port: int
    tls: bool
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OpenAiSettings:
    """The OpenAI-compatible endpoint. `base_url` None: OpenAI's own; neither key nor base URL: there is none."""

    base_url: str | None
    embeddings_model: str
    api_key: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class LlmPrice:
    """What a million tokens of a model cost, in whatever money LLM_PRICES is in."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1_000_000


@dataclass(frozen=True, slots=True)
class FirebaseSettings:
    """Where Firestore and the Realtime Database are. `admin_json`: the service account, as JSON text."""

    project_id: str | None
    database_url: str | None
    emulator_host: str | None
    admin_json: str | None = field(repr=False)

    @property
    def has_firestore(self) -> bool:
        return self.project_id is not None and (self.emulator_host or self.admin_json) is not None


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one process. Times carry their unit in the name; None means "not configured"."""

    part: str
    port: int
    log_level: str
    log_format: str
    version: str
    region: str
    valkey: ValkeySettings
    firebase: FirebaseSettings
    chroma: ChromaSettings
    openai: OpenAiSettings
    llm_history_tokens: int
    llm_prices: dict[str, LlmPrice]
    token: str | None = field(repr=False)
    presence_ttl_s: int
    presence_heartbeat_s: int
    listeners_debug: bool
    workflow_listener: bool
    flag_enabled: bool
    registry_debug: bool
    flag_file: str
    channel_prefix: str
    chat_channel_prefix: str
    rpc_api_version: str
    rpc_timeout_ms: int
    rpc_max_body_bytes: int
    rpc_namespaces: dict[str, str]
    legacy_session_scan: bool
    idempotency_ttl_s: int
    idempotency_disabled: bool
    idempotency_disabled_methods: frozenset[str]
    ws_allowed_origins: frozenset[str]
    ws_auth: bool
    celery_concurrency: int
    celery_queues: tuple[str, ...]
    celery_key_prefix: str
    soft_time_limit_s: int
    hard_time_limit_s: int
    tasks_per_child: int
    memory_per_child_mb: int
    child_memory_limit_mb: int
    soft_shutdown_s: int
    task_routes: dict[str, str]
    heartbeat_file: str
    worker_metrics_port: int
    beat_schedule_file: str
    beat_runs: tuple[str, ...]
    pod_name: str
    # Values of all variables that contract.env calls secret: no log line may hold one.
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Raises SettingsError naming the variable that cannot be read."""
        read = _Reader(environ)
        part, token = read.text("CONTAINER_TYPE"), read.optional("LISTENERS_SERVICE_TOKEN")
        ws_auth = read.choice("WS_AUTH", ("none", "token")) == "token"
        if part == PART_API and ws_auth and token is None:
            raise SettingsError("WS_AUTH=token asks for LISTENERS_SERVICE_TOKEN: set it, or leave WS_AUTH out")
        return cls(
            part=part,
            port=read.number("PORT"),
            log_level=read.choice("LOG_LEVEL", LEVELS).upper(),
            log_format=read.choice("LOG_FORMAT", ("auto", "json", "console")),
            version=read.text("SERVICE_VERSION"),
            region=read.text("AWS_REGION_NAME"),
            valkey=_valkey(read),
            firebase=FirebaseSettings(
                project_id=read.optional("GOOGLE_PROJECT_ID"),
                database_url=read.optional("FIREBASE_REALTIME_DB_URL"),
                emulator_host=read.optional("FIRESTORE_EMULATOR_HOST"),
                admin_json=read.optional("FIREBASE_ADMIN_JSON"),
            ),
            presence_ttl_s=read.number("LISTENERS_TTL_SECONDS"),
            presence_heartbeat_s=read.number("LISTENERS_HEARTBEAT_INTERVAL"),
            listeners_debug=read.flag("LISTENERS_DEBUG"),
            workflow_listener=read.flag("WORKFLOW_LISTENER_ENABLED"),
            chroma=_chroma(read),
            openai=_openai(read),
            llm_history_tokens=read.number("LLM_HISTORY_TOKENS"),
            llm_prices={model: _price(text) for model, text in read.pairs("LLM_PRICES").items()},
            token=token,
            flag_enabled=read.flag("UNIFIED_REGISTRY_ENABLED"),
            registry_debug=read.flag("REGISTRY_DEBUG"),
            flag_file=read.text("FLAG_FILE"),
            channel_prefix=read.text("LISTENERS_CHANNEL_PREFIX"),
            chat_channel_prefix=read.text("LISTENERS_CHAT_CHANNEL_PREFIX"),
            rpc_api_version=read.text("RPC_API_VERSION"),
            rpc_timeout_ms=read.number("RPC_TIMEOUT_MS"),
            rpc_max_body_bytes=read.number("RPC_MAX_BODY_BYTES"),
            rpc_namespaces=read.pairs("RPC_NAMESPACES"),
            legacy_session_scan=read.flag("LEGACY_SESSION_SCAN"),
            idempotency_ttl_s=read.number("RPC_IDEMP_TTL"),
            idempotency_disabled=read.flag("RPC_IDEMP_DISABLE"),
            idempotency_disabled_methods=frozenset(read.names("RPC_IDEMP_DISABLE_METHODS")),
            ws_allowed_origins=frozenset(read.names("WS_ALLOWED_ORIGINS")),
            ws_auth=ws_auth,
            celery_concurrency=read.number("CELERY_CONCURRENCY"),
            celery_queues=read.names("CELERY_QUEUES"),
            celery_key_prefix=read.text("CELERY_KEY_PREFIX"),
            soft_time_limit_s=read.number("CELERY_SOFT_TIME_LIMIT_S"),
            hard_time_limit_s=read.number("CELERY_HARD_TIME_LIMIT_S"),
            tasks_per_child=read.positive("WORKER_MAX_TASKS_PER_CHILD"),
            memory_per_child_mb=read.positive("WORKER_MAX_MEMORY_PER_CHILD_MB"),
            child_memory_limit_mb=read.number("WORKER_CHILD_MEMORY_LIMIT_MB"),
            soft_shutdown_s=read.number("WORKER_SOFT_SHUTDOWN_S"),
            task_routes=read.pairs("TASK_ROUTES"),
            heartbeat_file=read.text("WORKER_HEARTBEAT_FILE"),
            worker_metrics_port=read.number("WORKER_METRICS_PORT"),
            beat_schedule_file=read.text("BEAT_SCHEDULE_FILE"),
            beat_runs=read.names("BEAT_RUNS"),
            pod_name=read.optional("POD_NAME") or "local",
            secrets=tuple(
                value for each in BY_NAME.values() if each.secret and (value := read.optional(each.name)) is not None
            ),
        )


def _valkey(read: "_Reader") -> ValkeySettings:
    if read.flag("USE_LOCAL_REDIS"):
        return ValkeySettings("127.0.0.1", 6379, 0, tls=False, tls_verify=False, password=None)
    return ValkeySettings(
        host=read.text("LISTENERS_REDIS_HOST"),
        port=read.number("LISTENERS_REDIS_PORT"),
        db=read.number("LISTENERS_REDIS_DB"),
        tls=read.flag("LISTENERS_REDIS_TLS"),
        tls_verify=read.flag("LISTENERS_REDIS_TLS_VERIFY"),
        password=read.optional("LISTENERS_REDIS_PASSWORD"),
        tls_ca_file=read.optional("LISTENERS_REDIS_TLS_CA_FILE"),
    )


def _chroma(read: "_Reader") -> ChromaSettings:
    host = read.optional("CHROMA_HOST")
    # Today's task definitions write None for "not set", in all three.
    if host is None or host == "None":
        return ChromaSettings(None, 0, tls=False)
    return ChromaSettings(
        host, read.number("CHROMA_PORT"), tls=read.flag("CHROMA_SSL"), token=read.optional("CHROMA_TOKEN")
    )


def _openai(read: "_Reader") -> OpenAiSettings:
    return OpenAiSettings(
        base_url=read.optional("OPENAI_BASE_URL"),
        embeddings_model=read.text("EMBEDDINGS_MODEL"),
        api_key=read.optional("OPENAI_API_KEY"),
    )


def _price(text: str) -> LlmPrice:
    prompt, _, completion = text.partition("/")
    try:
        price = LlmPrice(float(prompt), float(completion))
    except ValueError:
        price = LlmPrice(-1, -1)
    if not (0 <= price.prompt < math.inf and 0 <= price.completion < math.inf):
        raise SettingsError(f"LLM_PRICES takes model=prompt/completion,… as in gpt-4=30/60, not {text!r}")
    return price


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one variable at a time; an unset or blank one takes its default from the contract."""

    environ: Mapping[str, str]

    def text(self, name: str) -> str:
        return self.environ.get(name, "").strip() or BY_NAME[name].default or ""

    def optional(self, name: str) -> str | None:
        return self.text(name) or None

    def number(self, name: str) -> int:
        text = self.text(name)
        if not text.isascii() or not text.isdigit():
            raise SettingsError(f"{name} takes a whole number, not {text!r}")
        return int(text)

    def positive(self, name: str) -> int:
        number = self.number(name)
        if not number:
            raise SettingsError(f"{name} takes a whole number from 1 on")
        return number

    def flag(self, name: str) -> bool:
        word = self.text(name).lower()
        if word not in TRUE_WORDS | FALSE_WORDS:
            raise SettingsError(f"{name} takes true or false, not {word!r}")
        return word in TRUE_WORDS

    def choice(self, name: str, words: tuple[str, ...]) -> str:
        word = self.text(name).lower()
        if word not in words:
            raise SettingsError(f"{name} takes {' or '.join(words)}, not {word!r}")
        return word

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(word for part in self.text(name).split(",") if (word := part.strip()))

    def pairs(self, name: str) -> dict[str, str]:
        pairs = {}
        for word in self.names(name):
            key, sign, value = word.partition("=")
            if not sign or not key.strip() or not value.strip():
                raise SettingsError(f"{name} takes name=value,…, not {word!r}")
            pairs[key.strip()] = value.strip()
        return pairs
