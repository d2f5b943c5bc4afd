"""An import as text: the YAML with the commands that make its Secret, and what could not be carried over."""

import textwrap

import yaml

from controller.ecs.model import Import

_WIDTH = 110


class _Plain(yaml.SafeDumper):
    """Queues of one worker share their amounts; written out they are easier to change than as an anchor."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 (the name is PyYAML's)
        return True


def render_yaml(result: Import) -> str:
    """The custom resource; above it, as comments, what has to be there first and what is done in another way."""
    blocks = [[f"Made from the ECS task definition {result.origin} by `python -m controller.ecs import`."]]
    commands = build_commands(result)
    if commands:
        blocks.append(["First, in the namespace of the service (bash, with aws and jq at hand):", *commands])
    if result.findings.changed:
        said = [line for each in result.findings.changed for line in _bullet(each)]
        blocks.append(["Carried over in another way:", *said])
    header = "\n#\n".join("\n".join(_comment(line) for line in block) for block in blocks)
    return f"{header}\n{yaml.dump(result.document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=_WIDTH)}"


def build_commands(result: Import) -> list[str]:
    """Lines of shell: the Secret with every key, then ConfigMaps and the registry's login."""
    lines = []
    if result.secret_keys:
        lines = [f"kubectl create secret generic {result.secret_name} \\"]
        lines += [f'  --from-literal={each.key}="$({each.fetch})" \\' for each in result.secret_keys]
        lines[-1] = lines[-1].removesuffix(" \\")
    return [*lines, *result.commands]


def render_findings(result: Import) -> str:
    """For a person at the terminal."""
    left = result.findings.left
    if not left:
        return f"{result.origin}: everything was carried over.\n"
    lines = [f"{result.origin}: not carried over ({len(left)}):", *(line for each in left for line in _bullet(each))]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    """What stands in a task definition cannot break out of the comment."""
    return "\n".join(f"# {line}" for line in text.splitlines())


def _bullet(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False)
