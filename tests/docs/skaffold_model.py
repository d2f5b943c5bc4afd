"""What this project's skaffold.yaml may say: the fields of schema v4beta13 that it uses, with their types.

Not skaffold's whole schema: a key that is not here is either misspelled or to be looked up there and added.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Part(BaseModel):
    """No unknown key, as in skaffold."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class SyncRule(Part):
    src: str
    dest: str
    strip: str = ""


class Sync(Part):
    manual: list[SyncRule]


class Docker(Part):
    dockerfile: str = "Dockerfile"
    target: str = ""


class Artifact(Part):
    image: str
    context: str = "."
    docker: Docker
    sync: Sync


class TagPolicy(Part):
    input_digest: dict[str, Any]


class Local(Part):
    push: bool


class Build(Part):
    tag_policy: TagPolicy
    local: Local
    artifacts: list[Artifact]


class HelmRelease(Part):
    name: str
    chart_path: str
    namespace: str
    create_namespace: bool = False
    wait: bool = False
    set_values: dict[str, str | bool | int] = {}
    set_value_templates: dict[str, str] = {}


class Helm(Part):
    releases: list[HelmRelease]


class Deploy(Part):
    helm: Helm


class PortForward(Part):
    resource_type: Literal["service", "pod", "deployment"]
    resource_name: str
    namespace: str
    port: int
    local_port: int


class Patch(Part):
    op: Literal["add", "remove", "replace"] = "replace"
    path: str
    value: Any = None


class Profile(Part):
    name: str
    patches: list[Patch]


class Metadata(Part):
    name: str


class Config(Part):
    """The whole file."""

    api_version: Literal["skaffold/v4beta13"]
    kind: Literal["Config"]
    metadata: Metadata
    build: Build
    deploy: Deploy
    port_forward: list[PortForward] = []
    profiles: list[Profile] = []
