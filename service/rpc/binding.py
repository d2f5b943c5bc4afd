"""Makes a method callable by RPC: its parameters are read once, at start-up; its arguments are checked at each call.

Our own namespaces declare types, and arguments must fit them (no string for a number, no number for a string). A
mounted namespace is somebody else's: only names and numbers of arguments are checked there, as Python itself would.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec

from service.domain.errors import InvalidArguments
from service.domain.ids import Identifier, check_id

_PLACE: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<place>[^`]*)`)?$", re.DOTALL)
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Method:
    """A callable and what it takes. `parameters` None: the types are not checked (a mounted namespace)."""

    name: str
    function: Callable[..., Any]
    signature: inspect.Signature
    is_async: bool
    parameters: type[msgspec.Struct] | None
    ids: tuple[tuple[str, Identifier], ...]

    @property
    def is_ours(self) -> bool:
        return self.parameters is not None

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> "BoundCall":
        """Raises InvalidArguments naming the argument that does not fit."""
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as fault:
            raise InvalidArguments(f"{self.name}: {fault}") from None
        if self.parameters is not None:
            self._check(bound.arguments)
        return BoundCall(self, bound.args, bound.kwargs)

    def _check(self, arguments: dict[str, Any]) -> None:
        try:
            msgspec.convert(arguments, self.parameters, strict=True)
        except msgspec.ValidationError as fault:
            raise InvalidArguments(_clear_message(str(fault))) from None
        for name, kind in self.ids:
            value = arguments.get(name)
            for one in value if isinstance(value, list) else (value,):
                if one is not None:
                    check_id(name, one, has_colon=kind.has_colon)


@dataclass(frozen=True, slots=True)
class BoundCall:
    """A call that fits its method; nothing has run yet."""

    method: Method
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self) -> Any:
        return self.method.function(*self.args, **self.kwargs)


def build_method(name: str, function: Callable[..., Any], *, is_typed: bool) -> Method:
    """`name`: as it is called, NAMESPACE.name. `is_typed`: the declared types are checked."""
    signature = inspect.signature(function)
    parameters, ids = _read_parameters(name, function, signature) if is_typed else (None, ())
    return Method(name, function, signature, inspect.iscoroutinefunction(function), parameters, ids)


def _read_parameters(
    method: str, function: Callable[..., Any], signature: inspect.Signature
) -> tuple[type[msgspec.Struct], tuple[tuple[str, Identifier], ...]]:
    hints = get_type_hints(function, include_extras=True)
    fields = []
    for parameter in signature.parameters.values():
        if parameter.kind not in (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY):
            raise TypeError(f"{method} takes *args or **kwargs; a method of ours names its arguments")
        # Missing ones are found by the signature, so that here each may be missing.
        fields.append((parameter.name, hints[parameter.name], msgspec.field(default=None)))
    ids = tuple((name, kind) for name, hint, _ in fields if (kind := _identifier(hint)) is not None)
    return msgspec.defstruct(method.replace(".", "_"), fields, forbid_unknown_fields=True), ids


def _identifier(hint: Any) -> Identifier | None:
    """The mark of Id in a hint: Id, Id | None or list[Id], also a list of limited length."""
    if get_origin(hint) is Annotated:
        marks = (mark for mark in hint.__metadata__ if isinstance(mark, Identifier))
        return next(marks, None) or _identifier(hint.__origin__)
    return next((mark for part in get_args(hint) if (mark := _identifier(part)) is not None), None)


def _clear_message(text: str) -> str:
    """`Expected `str`, got `int` - at `$.user_id`` → `user_id: expected str, got int`."""
    match = _PLACE.match(text)
    what = (match["what"] if match else text).replace("`", "")
    what = what[:1].lower() + what[1:]
    return f"{match['place']}: {what}" if match and match["place"] else what
