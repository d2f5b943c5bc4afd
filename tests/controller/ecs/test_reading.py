"""What people have at hand in place of a task definition, and what they are told."""

import json
from pathlib import Path
from typing import Any

import pytest

from controller.ecs.__main__ import main
from controller.ecs.model import TaskDefinitionError
from controller.ecs.reading import read_source

CONTAINER: dict[str, Any] = {"name": "api", "image": "registry.example/pinnokio:1", "environment": [], "secrets": None}
BARE = {"family": "f", "containerDefinitions": [CONTAINER]}


@pytest.mark.parametrize(
    "answer",
    [BARE, {"taskDefinition": BARE, "tags": []}, [CONTAINER], BARE | {"cpu": 512, "unheardOf": {"a": 1}}],
    ids=["bare", "the answer of describe-task-definition", "a list of containers", "numbers and unknown keys"],
)
def test_each_form_of_a_task_definition_is_read(answer: Any) -> None:
    source = read_source(json.dumps(answer), "taskdef.json")
    assert [each.name for each in source.task.container_definitions] == ["api"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "f.json is empty. Get a task definition by: aws ecs describe-task-definition"),
        ("family: pinnokio\n", "f.json is no JSON (Expecting value at line 1, column 1)"),
        ('{"family": "f",}', "f.json is no JSON"),
        ("[]", "f.json holds no task definition but a list"),
        ('"arn:aws:ecs:eu-west-3:111122223333:task-definition/p:1"', "holds no task definition but a text"),
        ("42", "holds no task definition but a number"),
        ("{}", "there is no containerDefinitions in it"),
        ('{"containerDefinitions": []}', "containerDefinitions must be a list of at least one container"),
        ('{"containerDefinitions": {"name": "api"}}', "containerDefinitions must be a list of at least one container"),
        (
            '{"services": [{"taskDefinition": "arn:aws:ecs:eu-west-3:111122223333:task-definition/p:7"}]}',
            "describe-task-definition --task-definition arn:aws:ecs:eu-west-3:111122223333:task-definition/p:7",
        ),
        ('{"tasks": [{"taskDefinitionArn": "p:7"}]}', "--task-definition p:7"),
        ('{"taskDefinitionArns": ["p:7"]}', "this is a list of names"),
        ('{"Resources": {"Task": {}}}', "this is a template (CloudFormation, Terraform)"),
        ('{"containerDefinitions": [{"name": "api"}]}', "containerDefinitions[0].image: Field required"),
        (
            json.dumps({"containerDefinitions": [CONTAINER | {"environment": {"A": "b"}}]}),
            "containerDefinitions[0].environment: Input should be a valid tuple",
        ),
        (
            json.dumps({"containerDefinitions": [CONTAINER | {"memory": -1}]}),
            "containerDefinitions[0].memory: Input should be greater than or equal to 0",
        ),
        (
            json.dumps({"containerDefinitions": [CONTAINER | {"secrets": [{"name": "A"}]}]}),
            "containerDefinitions[0].secrets[0].valueFrom: Field required",
        ),
    ],
    ids=[
        "empty", "YAML", "a comma too many", "an empty list", "an ARN", "a number", "an empty object", "no container",
        "one container, no list", "services", "tasks", "a list of names", "CloudFormation", "no image",
        "environment as an object", "less than nothing", "a secret from nowhere",
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_what_to_do(text: str, words: str) -> None:
    with pytest.raises(TaskDefinitionError) as refusal:
        read_source(text, "f.json")
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "is not there"), (b"\xff\xfe\x00", "is no text"), (b"{}", "no containerDefinitions")],
    ids=["no file", "binary", "nothing in it"],
)
def test_the_command_ends_with_2_and_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, words: str
) -> None:
    file = tmp_path / "taskdef.json"
    if content is not None:
        file.write_bytes(content)
    assert main(["import", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err


def test_a_folder_and_an_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(tmp_path)]) == 2
    assert "is a folder" in capsys.readouterr().err
    file = tmp_path / "taskdef.json"
    file.write_text(json.dumps(BARE))
    assert main(["import", str(file), "-o", str(tmp_path / "no" / "where.yaml")]) == 2
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--desired-count", "0"], ["--desired-count", "many"], []])
def test_wrong_arguments_are_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["import", *arguments])
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err
