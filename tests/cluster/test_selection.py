"""Which provider is chosen for what a machine has."""

import pytest

from tests.cluster.model import ClusterError
from tests.cluster.providers.existing import ExistingProvider
from tests.cluster.providers.kind import KindProvider
from tests.cluster.providers.source import SourceProvider
from tests.cluster.selection import Observed, choose_provider

UNFIT = "a cluster from source needs root"


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        pytest.param(Observed("", "", None, False, None), SourceProvider(), id="nothing-at-hand"),
        pytest.param(Observed("", "", None, True, UNFIT), KindProvider(), id="docker"),
        pytest.param(Observed("", "", "prod", True, None), ExistingProvider("prod"), id="context-before-docker"),
        pytest.param(Observed("", "kind", "prod", True, None), KindProvider(), id="recorded-before-context"),
        pytest.param(Observed("dev", "source", None, True, None), ExistingProvider("dev"), id="named-context"),
        pytest.param(Observed("source", "kind", "prod", True, None), SourceProvider(), id="source-named"),
        pytest.param(Observed("kind", "", "prod", True, None), KindProvider(), id="kind-named"),
    ],
)
def test_choice(observed: Observed, expected: object) -> None:
    assert choose_provider(observed) == expected


def test_where_none_can_be_had_the_message_says_what_is_missing_and_what_works() -> None:
    with pytest.raises(ClusterError, match=f"{UNFIT}(.|\n)*make dev"):
        choose_provider(Observed("", "", None, False, UNFIT))


def test_kind_without_docker_is_refused_when_asked_for() -> None:
    with pytest.raises(ClusterError, match="Docker"):
        choose_provider(Observed("kind", "", None, False, None))
