"""Maps errors to RPC codes, in this one place (contract.md, "POST /rpc")."""

from typing import Final

from redis.exceptions import OutOfMemoryError

from contract import rpc
from contract.rpc import RpcError
from service.domain import errors
from service.store.client import VALKEY_DOWN

# A method's name or an error's text; a longer one is the caller's own input, sent back.
MAX_MESSAGE_CHARS: Final = 2_000
VALKEY_DOES_NOT_ANSWER: Final = "Valkey does not answer"
VALKEY_IS_FULL: Final = "Valkey is full and takes no more writes"

_CODES: Final[tuple[tuple[type[errors.ServiceError], str], ...]] = (
    (errors.InvalidApiVersion, rpc.INVALID_API_VERSION),
    (errors.InvalidArguments, rpc.INVALID_ARGS),
    (errors.MethodNotFound, rpc.METHOD_NOT_FOUND),
    (errors.TaskConflict, rpc.INVALID_ARGS),
    (errors.QuotaExceeded, rpc.QUOTA_EXCEEDED),
    (errors.CallTimeout, rpc.TIMEOUT),
    (errors.DependencyUnavailable, rpc.UNAVAILABLE),
)
# The call never ran, or is known to have changed nothing: its idempotency key is given back.
_NEVER_RAN: Final = (
    errors.InvalidArguments,
    errors.MethodNotFound,
    errors.QuotaExceeded,
    errors.TaskConflict,
    errors.NeverBegun,
)


def build_error(fault: BaseException) -> RpcError:
    """What the caller is told. INTERNAL carries the error's text, or its type where it has none."""
    if isinstance(fault, VALKEY_DOWN):
        # Its own text may name hosts and ports.
        is_full = isinstance(fault, OutOfMemoryError)
        return RpcError(code=rpc.UNAVAILABLE, message=VALKEY_IS_FULL if is_full else VALKEY_DOES_NOT_ANSWER)
    retry_after_ms = fault.retry_after_ms if isinstance(fault, errors.ServiceError) else None
    code = next((code for kind, code in _CODES if isinstance(fault, kind)), rpc.INTERNAL)
    # The name of a method that is not found may be empty; an error without a text is told by its type.
    text = str(fault) if isinstance(fault, errors.MethodNotFound) else str(fault) or type(fault).__name__
    # A text may hold what UTF-8 cannot (a lone surrogate), and the answer must be sent all the same.
    message = text[:MAX_MESSAGE_CHARS].encode(errors="replace").decode()
    return RpcError(code=code, message=message, retry_after_ms=retry_after_ms)


def is_refusal(fault: BaseException) -> bool:
    """Whether the call never ran, so that a corrected retry must not be told `duplicate`."""
    return isinstance(fault, _NEVER_RAN)
