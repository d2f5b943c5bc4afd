"""What can go wrong between the operator and the API server.

OperatorError
├── ApiUnavailable   no answer, overload or an error inside: try again later
├── ApiConflict      someone else changed the object meanwhile: read and plan again
├── ApiNotFound      the object, or its PinnokioService, is not there (any more)
├── ApiExpired       the watch is too far behind: list again
├── ApiRefused       the API server or an admission rule says no, or a webhook that must be asked is away; its words are
│                    for the person who wrote the spec
└── ValkeyUnavailable    the flag can be neither read nor published now: the mounted file serves meanwhile
"""


class OperatorError(Exception):
    """Base of everything that the operator raises by itself."""


class ApiUnavailable(OperatorError):
    pass


class ApiConflict(OperatorError):
    pass


class ApiNotFound(OperatorError):
    pass


class ApiExpired(OperatorError):
    pass


class ValkeyUnavailable(OperatorError):
    pass


class ApiRefused(OperatorError):
    """`reason` is one CamelCase word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
