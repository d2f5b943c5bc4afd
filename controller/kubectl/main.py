"""`kubectl pinnokio status|promote|rollback|pause|resume`: arguments, and what is said.

Exit code 0: done; 1: it could not be done, in one sentence on stderr; 2: wrong arguments.
"""

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from contract import kubernetes
from controller.kubectl import requests
from controller.kubectl.cluster import Kubectl, PluginError
from controller.kubectl.picture import describe_acknowledgements, describe_rollout, describe_span, draw, to_ascii
from controller.kubectl.view import View, read_view

# Flags of kubectl that are handed on.
_FLAGS: Final = ("kubeconfig", "context", "cluster", "user", "as", "as-group", "server", "token", "request-timeout")
_POLL_S: Final = 0.3
_CLEAR: Final = "\033[2J\033[H"


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(Kubectl(_choose_flags(options)), options))
    except PluginError as error:
        sys.stderr.write(f"kubectl pinnokio: {error}\n")
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def show_status(kubectl: Kubectl, options: argparse.Namespace) -> int:
    """One service, or each of the namespace; again and again with --watch."""
    if options.watch:
        return _watch(kubectl, choose_name(kubectl, options.name))
    documents = [kubectl.read_service(options.name)] if options.name else kubectl.read_services()
    if not documents:
        raise PluginError("no PinnokioService in this namespace; see -n")
    _say("\n\n".join(_draw(read_view(document)) for document in documents))
    return 0


def _watch(kubectl: Kubectl, name: str) -> int:
    """Until Ctrl-C; an API server that ends the watch is asked anew, one that refuses is not."""
    # Else kubectl would stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    while True:
        for event in kubectl.watch(name):
            if event["type"] == "DELETED":
                raise PluginError(f"PinnokioService {name} was deleted")
            _say((_CLEAR if sys.stdout.isatty() else "") + _draw(read_view(event["object"])) + "\n")
        time.sleep(1)


def promote(kubectl: Kubectl, options: argparse.Namespace) -> int:
    view = read_view(kubectl.read_service(choose_name(kubectl, options.name)))
    _refuse(requests.find_objection_to_promote(view))
    value = requests.build_promote(datetime.now(UTC), to_the_end=options.all)
    return _ask(kubectl, view, f"{kubernetes.ANNOTATION_PROMOTE}={value}", value, options, is_rollback=False)


def roll_back(kubectl: Kubectl, options: argparse.Namespace) -> int:
    view = read_view(kubectl.read_service(choose_name(kubectl, options.name)))
    _refuse(requests.find_objection_to_rollback(view))
    value = requests.build_rollback(datetime.now(UTC), one_step=options.previous, forced=options.force)
    return _ask(kubectl, view, f"{kubernetes.ANNOTATION_ROLLBACK}={value}", value, options, is_rollback=True)


def _ask(
    kubectl: Kubectl, view: View, annotation: str, value: str, options: argparse.Namespace, *, is_rollback: bool
) -> int:
    """Sets the annotation, and waits until every pod serves by what came of it."""
    began = time.monotonic()
    kubectl.annotate(view.name, annotation)
    word = "rollback" if is_rollback else "promotion"
    if options.wait == 0:
        _say(f"{view.name}: {word} asked for; kubectl pinnokio status {view.name} shows what comes of it")
        return 0
    while True:
        view = read_view(kubectl.read_service(view.name))
        if requests.is_settled(view, value, is_rollback=is_rollback):
            took = time.monotonic() - began
            _say(f"{view.name}: {word} done in {took:.1f} s; flag {view.flag}, {_describe(view)}")
            return 0
        if time.monotonic() - began >= options.wait:
            raise PluginError(_say_late(view, value, word, options.wait, is_rollback=is_rollback))
        time.sleep(_POLL_S)


def _describe(view: View) -> str:
    rollout = f"{describe_rollout(view.rollout, datetime.now(UTC))}, " if view.rollout else ""
    return rollout + describe_acknowledgements(view)


def _say_late(view: View, value: str, word: str, wait_s: float, *, is_rollback: bool) -> str:
    within = describe_span(timedelta(seconds=wait_s))
    if not requests.is_taken_up(view, value, is_rollback=is_rollback):
        return (
            f"{word} of {view.name} is asked for, but the operator has not acted on it within {within}: is it running?"
            " (kubectl get deployment -A -l app.kubernetes.io/name=pinnokio)"
        )
    if view.rollout is not None and view.rollout.legacy_state == requests.RESTORING:
        return (
            f"{word} of {view.name} is under way: {view.rollout.legacy_message}; rollback --force does not wait for it"
        )
    return f"{word} of {view.name} is under way, but not everywhere within {within}: {_describe(view)}"


def pause(kubectl: Kubectl, options: argparse.Namespace) -> int:
    view = read_view(kubectl.read_service(choose_name(kubectl, options.name)))
    kubectl.annotate(view.name, requests.build_pause(options.scaling, everything=options.everything))
    if options.everything:
        _say(f"{view.name}: nothing is reconciled until kubectl pinnokio resume {view.name} --everything")
    elif options.scaling:
        _say(f"{view.name}: scaling {options.scaling} is held until kubectl pinnokio resume {view.name} --scaling")
    else:
        _say(
            f"{view.name}: the rollout stays at its step until kubectl pinnokio resume {view.name}; figures that worsen"
        )
        _say("still take it back")
    return 0


def resume(kubectl: Kubectl, options: argparse.Namespace) -> int:
    document = kubectl.read_service(choose_name(kubectl, options.name))
    view = read_view(document)
    kubectl.annotate(view.name, requests.build_resume(scaling=options.scaling, everything=options.everything))
    what = "everything goes" if options.everything else "scaling goes" if options.scaling else "the rollout goes"
    _say(f"{view.name}: {what} on")
    if not (options.everything or options.scaling) and _is_paused_by_spec(document):
        _say("but spec.unifiedRegistry.rollout.paused is true and holds it: set it to false")
    return 0


def _is_paused_by_spec(document: dict[str, Any]) -> bool:
    registry = document.get("spec", {}).get("unifiedRegistry", {})
    return bool((registry.get("rollout") or {}).get("paused"))


def choose_name(kubectl: Kubectl, name: str | None) -> str:
    """The name that was given, else the only one of the namespace."""
    if name:
        return name
    names = [each["metadata"]["name"] for each in kubectl.read_services()]
    if len(names) != 1:
        there = (
            f"there are several, name one: {', '.join(names)}" if names else "there is none in this namespace; see -n"
        )
        raise PluginError(f"which PinnokioService? {there}")
    return str(names[0])


def _refuse(objection: str | None) -> None:
    if objection:
        raise PluginError(objection)


def _draw(view: View) -> str:
    return "\n".join(draw(view, datetime.now(UTC), shutil.get_terminal_size((100, 24)).columns))


def _say(text: str) -> None:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = "\n".join(to_ascii(line) for line in text.split("\n"))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _choose_flags(options: argparse.Namespace) -> list[str]:
    given = vars(options)
    flags = [f"--{name}={given[_dest(name)]}" for name in (*_FLAGS, "namespace") if given.get(_dest(name))]
    return [*flags, *(["--insecure-skip-tls-verify"] if given.get("insecure_skip_tls_verify") else [])]


def _dest(flag: str) -> str:
    return "flag_" + flag.replace("-", "_")


def _build_flags() -> argparse.ArgumentParser:
    """kubectl's own flags, before and after the command alike."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = parser.add_argument_group("as in kubectl")
    group.add_argument("-n", "--namespace", dest=_dest("namespace"), metavar="NAMESPACE")
    group.add_argument("--insecure-skip-tls-verify", action="store_true")
    for name in _FLAGS:
        short = ["-s"] if name == "server" else []
        group.add_argument(*short, f"--{name}", dest=_dest(name), metavar=name.upper().replace("-", "_"))
    return parser


def build_parser() -> argparse.ArgumentParser:
    flags = _build_flags()
    parser = argparse.ArgumentParser(prog="kubectl pinnokio", description=__doc__, parents=[flags])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: object, about: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about, parents=[flags])
        command.add_argument("name", nargs="?", metavar="NAME", help="PinnokioService; unset: the only one there is")
        command.set_defaults(run=run)
        return command

    status = add("status", show_status, "show flag, rollout, queues and what needs a look")
    status.add_argument("-w", "--watch", action="store_true", help="show it again at each change, until Ctrl-C")
    _add_wait(promoting := add("promote", promote, "go on to the next step of the rollout without waiting for figures"))
    promoting.add_argument("--all", action="store_true", help="to the last step")
    _add_wait(rolling := add("rollback", roll_back, "take the flag off for everybody, without a restart"))
    how_far = rolling.add_mutually_exclusive_group()
    how_far.add_argument("--previous", action="store_true", help="one step back only")
    how_far.add_argument(
        "--force",
        action="store_true",
        help="without copying live users back first: they register again",
    )
    pausing = add("pause", pause, "hold the rollout at its step")
    resuming = add("resume", resume, "let the rollout go on")
    _add_scopes(pausing, scaling={"choices": ("in", "out", "all"), "help": "hold the numbers of workers instead"})
    _add_scopes(resuming, scaling={"action": "store_true", "help": "let the numbers of workers go on instead"})
    return parser


def _add_scopes(command: argparse.ArgumentParser, scaling: dict[str, Any]) -> None:
    scope = command.add_mutually_exclusive_group()
    scope.add_argument("--scaling", **scaling)
    scope.add_argument("--everything", action="store_true", help="all that the operator does for this service instead")


def _add_wait(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--wait",
        type=_read_seconds,
        default=30.0,
        metavar="SECONDS",
        help="for all pods to follow (30); 0: do not wait",
    )


def _read_seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 3600")
    return seconds
