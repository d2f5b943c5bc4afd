"""`python -m controller.ecs import TASKDEF.json`: a PinnokioService on standard output, what is left behind on stderr.

Exit code 0: written; 2: the input is no task definition, or the output cannot be written.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from controller.ecs.importing import import_task_definitions
from controller.ecs.model import Source, TaskDefinitionError
from controller.ecs.reading import read_source
from controller.ecs.rendering import build_commands, render_findings, render_yaml


def main(arguments: Sequence[str] | None = None) -> int:
    options = _build_parser().parse_args(arguments)
    try:
        sources = [_read(file) for file in options.files]
        result = import_task_definitions(sources, options.name, options.desired_count)
        _write(render_yaml(result), options.output)
    except (TaskDefinitionError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(render_findings(result))
    if build_commands(result):
        sys.stderr.write("Secrets: the commands that make them stand at the top of the YAML; run them first.\n")
    return 0


def _read(file: str) -> Source:
    if file == "-":
        return read_source(sys.stdin.read(), "taskdef.json")
    try:
        return read_source(Path(file).read_text(encoding="utf-8-sig"), file)
    except UnicodeDecodeError as error:
        raise TaskDefinitionError(f"{file} is no text: a task definition is JSON") from error
    except IsADirectoryError as error:
        raise TaskDefinitionError(f"{file} is a folder: name the file of a task definition") from error
    except FileNotFoundError as error:
        raise TaskDefinitionError(f"{file} is not there") from error


def _write(text: str, output: str | None) -> None:
    if output is None:
        sys.stdout.write(text)
    else:
        Path(output).write_text(text, encoding="utf-8")


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m controller.ecs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    importing = commands.add_parser("import", help="write a PinnokioService from ECS task definitions")
    importing.add_argument(
        "files",
        nargs="+",
        metavar="TASKDEF.json",
        help="task definition, or the answer of describe-task-definition; several make one service; - is stdin",
    )
    importing.add_argument("-o", "--output", metavar="FILE", help="write the YAML there")
    importing.add_argument("--name", help="name of the PinnokioService; unset: from the family")
    importing.add_argument(
        "--desired-count",
        type=_read_count,
        default=1,
        metavar="N",
        help="desiredCount of the ECS service: API pods, and most workers of each queue (1)",
    )
    return parser


def _read_count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 100")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
