"""Pieces of a text become few, at even distances; none is lost."""

from hypothesis import given
from hypothesis import strategies as st

from service.domain.streaming import EVERY_S, TextBatcher

PIECES = st.lists(st.tuples(st.floats(0, 0.5), st.text(min_size=1, max_size=30)), max_size=60)


def test_the_first_goes_at_once_and_what_follows_waits_together() -> None:
    batcher = TextBatcher(0.1)
    assert batcher.wait_s(5.0) is None
    batcher.add("a")
    assert (batcher.wait_s(5.0), batcher.take(5.0)) == (0.0, "a")
    batcher.add("b")
    batcher.add("c")
    assert batcher.take(5.05) == ""
    assert batcher.wait_s(5.05) == 5.1 - 5.05
    assert batcher.take(5.1) == "bc"
    assert batcher.take(6.0) == ""
    assert batcher.is_empty


def test_what_is_too_long_for_one_event_goes_in_several() -> None:
    batcher = TextBatcher(0.1, max_chars=3)
    batcher.add("abcdefgh")
    assert [batcher.take(now) for now in (1.0, 1.05, 1.15, 1.3)] == ["abc", "", "def", "gh"]


@given(PIECES)
def test_every_character_comes_in_order_and_no_second_holds_more_than_ten(pieces: list[tuple[float, str]]) -> None:
    batcher, now = TextBatcher(max_chars=40), 100.0
    sent: list[tuple[float, str]] = []

    def take_until(end: float) -> None:
        nonlocal now
        while (wait_s := batcher.wait_s(now)) is not None and now + wait_s <= end:
            now += wait_s
            if text := batcher.take(now):
                sent.append((now, text))
        now = max(now, end)

    for pause_s, piece in pieces:
        take_until(now + pause_s)
        batcher.add(piece)
    while not batcher.is_empty:
        take_until(now + EVERY_S)
    assert "".join(text for _, text in sent) == "".join(piece for _, piece in pieces)
    times = [at for at, _ in sent]
    assert all(later - earlier > 1.0 for earlier, later in zip(times, times[10:], strict=False))
