"""Which companies are named, and what the others add up to."""

from contract.metrics import OTHER
from service.domain.figures import QuotaUse, fold_counts, fold_uses


def test_the_largest_are_named_and_the_rest_summed() -> None:
    assert fold_counts({"a": 3, "b": 2, "c": 1}, 1) == {"a": 3, OTHER: 3}
    assert fold_counts({"a": 1, "b": 1, "c": 1}, 2) == {"a": 1, "b": 1, OTHER: 1}
    assert fold_counts({"a": 3, "b": 2}, 2) == {"a": 3, "b": 2}
    assert fold_counts({}) == {}


def test_a_company_called_other_is_one_of_the_rest() -> None:
    assert fold_counts({OTHER: 9, "b": 2, "c": 1}, 1) == {"b": 2, OTHER: 10}
    assert fold_uses({OTHER: QuotaUse(9, 10)}) == {OTHER: QuotaUse(9, 10)}


def test_those_nearest_to_their_limits_are_named() -> None:
    uses = {"a": QuotaUse(9, 10), "b": QuotaUse(50, 1000), "c": QuotaUse(1, 100), "none": QuotaUse(1, 0)}
    assert fold_uses(uses, 2) == {"none": QuotaUse(1, 0), "a": QuotaUse(9, 10), OTHER: QuotaUse(51, 1100)}
