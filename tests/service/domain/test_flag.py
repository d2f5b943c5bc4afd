"""Whom the unified registry is on for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.flag import FlagDocument
from service.domain.flag import WHOLE_BP, is_on, needs_company, place_bp

USERS = st.text(min_size=1, max_size=12)
PERCENTS = st.integers(0, WHOLE_BP)


@pytest.mark.parametrize(
    ("document", "company_id", "expected"),
    [
        pytest.param(FlagDocument(), None, False, id="nothing set: off"),
        pytest.param(FlagDocument(enabled=True), None, True, id="enabled alone: everybody"),
        pytest.param(FlagDocument(users=("u",), percent_bp=10_000), None, False, id="not enabled beats all"),
        pytest.param(FlagDocument(enabled=True, users=("u",), exclude_users=("u",)), None, False, id="excluded"),
        pytest.param(FlagDocument(enabled=True, users=("u",)), None, True, id="listed user"),
        pytest.param(FlagDocument(enabled=True, users=("v",)), None, False, id="another user listed: nobody else"),
        pytest.param(FlagDocument(enabled=True, companies=("c",)), "c", True, id="listed company"),
        pytest.param(FlagDocument(enabled=True, companies=("c",)), "d", False, id="another company"),
        pytest.param(FlagDocument(enabled=True, companies=("c",)), None, False, id="company unknown"),
        pytest.param(FlagDocument(enabled=True, percent_bp=0), "c", False, id="no percent"),
        pytest.param(FlagDocument(enabled=True, percent_bp=0, users=("u",)), "c", True, id="listed beats percentage"),
        pytest.param(FlagDocument(enabled=True, percent_bp=10_000), "c", True, id="all percent"),
    ],
)
def test_cases(document: FlagDocument, company_id: str | None, expected: bool) -> None:
    assert is_on(document, "u", company_id) is expected


@given(user=USERS, company=st.none() | USERS, small=PERCENTS, large=PERCENTS)
def test_a_growing_percentage_only_adds(user: str, company: str | None, small: int, large: int) -> None:
    small, large = sorted((small, large))
    before, after = (FlagDocument(enabled=True, percent_bp=bp, salt="ns/name") for bp in (small, large))
    assert is_on(before, user, company) <= is_on(after, user, company)


@given(one=USERS, other=USERS, company=USERS, percent=PERCENTS)
def test_a_tenant_is_not_split(one: str, other: str, company: str, percent: int) -> None:
    document = FlagDocument(enabled=True, percent_bp=percent, salt="ns/name")
    assert is_on(document, one, company) == is_on(document, other, company)


@given(bucket=USERS)
def test_places_are_within_the_whole(bucket: str) -> None:
    assert 0 <= place_bp("ns/name", bucket) < WHOLE_BP


def test_places_are_even() -> None:
    hits = sum(place_bp("ns/name", f"company-{i}") < 1_000 for i in range(20_000))
    assert 1_850 < hits < 2_150


def test_salt_moves_places() -> None:
    assert place_bp("a/one", "bucket") != place_bp("a/two", "bucket")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (FlagDocument(enabled=True), False),
        (FlagDocument(enabled=True, users=("u",)), False),
        (FlagDocument(enabled=True, companies=("c",)), True),
        (FlagDocument(enabled=True, percent_bp=1), True),
        (FlagDocument(percent_bp=1), False),
    ],
)
def test_company_is_looked_up_only_where_it_matters(document: FlagDocument, expected: bool) -> None:
    assert needs_company(document) is expected
