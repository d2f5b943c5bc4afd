"""One tree of errors; `service.rpc.errors` maps it to RPC codes, in one place.

ServiceError
├── InvalidApiVersion    the envelope's api_version is not the one expected
├── InvalidArguments     arguments that do not fit the method, an id with `:` or a control character
│   └── RefusedInput     a document, a table, rows that cannot be worked with; `code` says why for programs
├── MethodNotFound       no such public method
├── QuotaExceeded        a company's quota is used up; says which, its limit and when to retry
├── CallTimeout          the call ran longer than its timeout_ms
│   └── NeverBegun       its time was over before it began
├── DependencyUnavailable   Valkey, Firestore, Chroma, OpenAI or the broker does not answer
├── DependencyRefused    one of them answers, and will not do what was asked: asking again changes nothing
└── TaskConflict         a task id that is taken by another user
"""


class ServiceError(Exception):
    """Base of all errors that a caller may see; its text is for the caller and holds no secret.

    `retry_after_ms` None: not known when a retry can succeed. `logged`: what the log says instead, where the text may
    quote what the caller sent.
    """

    def __init__(self, message: str, *, retry_after_ms: int | None = None, logged: str | None = None) -> None:
        super().__init__(message)
        self.retry_after_ms = retry_after_ms
        self.logged = logged or message


class InvalidApiVersion(ServiceError):
    """The caller speaks another version of the envelope."""


class InvalidArguments(ServiceError):
    """Arguments that do not fit the method."""


class RefusedInput(InvalidArguments):
    """What was sent cannot be worked with; the text says what to change, `code` is a short word for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type["RefusedInput"], tuple[str, str]]:
        """Both arguments survive pickling (Celery sends errors between processes)."""
        return (type(self), (self.code, str(self)))


class MethodNotFound(ServiceError):
    """No such public method; the message is the method's name."""


class QuotaExceeded(ServiceError):
    """A company's quota is used up."""


class CallTimeout(ServiceError):
    """The call ran longer than it was given."""


class NeverBegun(CallTimeout):
    """The call's time was over before its method began: nothing has run."""


class DependencyUnavailable(ServiceError):
    """A server that this service depends on does not answer."""


class DependencyRefused(ServiceError):
    """A server that this service depends on will not do what was asked, and says why."""


class TaskConflict(ServiceError):
    """The task id is taken by another user."""
