"""The order in which asks go out, and what stops them."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from synflow.asks import Answer, Ask, Picture, Refusal
from synflow.models.flight import Limited, Turns, Warm
from synflow.models.resilience import Outage


def ask(clip: str, text: str, pictures: str = "") -> Ask:
    shown = tuple(Picture(name.encode(), name, 0.0) for name in pictures)
    return Ask("p", "d", text, {}, shown, affinity=clip)


def order(turns: Turns, in_flight: int) -> list[list[int]]:
    """Return what goes out at a time, where all that is out is answered before more goes."""
    waves = []
    while True:
        wave = [place for _ in range(in_flight) if (place := turns.next()) is not None]
        if not wave:
            return waves
        waves.append(wave)
        for place in wave:
            turns.done(place)


def test_one_ask_on_the_pictures_of_a_clip_goes_ahead_of_the_others() -> None:
    asks = [ask(clip, str(n), clip) for clip in "abc" for n in range(3)]
    assert order(Turns(asks, Warm()), 16) == [[0, 3, 6], [7, 8, 4, 5, 1, 2]]
    assert order(Turns(asks, Warm()), 2) == [[0, 3], [4, 5], [1, 2], [6], [7, 8]]


def test_what_was_answered_once_needs_nobody_ahead() -> None:
    warm = Warm()
    order(Turns([ask("a", "1", "xy")], warm), 4)
    asks = [ask("a", "2", "xy"), ask("a", "3", "xy"), ask("a", "4", "x"), ask("a", "5", "x"), ask("b", "6", "xy")]
    assert order(Turns(asks, warm), 8) == [[0, 1, 2, 4], [3]]


def test_texts_alone_wait_for_nobody() -> None:
    assert order(Turns([ask("a", "1"), ask("a", "2")], Warm()), 8) == [[0, 1]]


def test_only_the_places_that_are_given_go_out() -> None:
    asks = [ask(clip, str(n), clip) for n in range(3) for clip in "ab"]
    assert order(Turns(asks, Warm(), [1, 3, 5]), 8) == [[1], [3, 5]]


def test_the_oldest_is_forgotten() -> None:
    warm = Warm(most=2)
    for clip in "abc":
        order(Turns([ask(clip, "1", clip)], warm), 1)
    assert [("", clip) for clip in "abc" if (clip, "", (clip,)) in warm] == [("", "b"), ("", "c")]


class Noting:
    """Notes what is in flight together; an ask named fall fails."""

    model = "noting"

    def __init__(self) -> None:
        self.out: set[str] = set()
        self.together: list[set[str]] = []
        self.lock = threading.Lock()

    def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
        (one,) = asks
        name = f"{one.affinity}{one.text}"
        with self.lock:
            self.out.add(name)
            self.together.append(set(self.out))
        time.sleep(0.005)
        with self.lock:
            self.out.remove(name)
        if one.text == "fall":
            raise Outage("gone", "start it")
        return [Answer(one.digest(self.model), name, self.model)]


def test_no_ask_is_out_together_with_the_first_on_its_clip() -> None:
    backend = Noting()
    asks = [ask(clip, str(n), clip) for clip in "abcdef" for n in range(4)]
    replies = Limited(backend, in_flight=4).answer(asks)
    assert [one.value for one in replies if isinstance(one, Answer)] == [f"{a.affinity}{a.text}" for a in asks]
    assert max(len(names) for names in backend.together) == 4
    for names in backend.together:
        for clip in "abcdef":
            assert f"{clip}0" not in names or not names & {f"{clip}{n}" for n in (1, 2, 3)}


def test_an_outage_ahead_keeps_those_behind_it_home() -> None:
    backend = Noting()
    asks = [ask("a", "fall", "a"), ask("a", "1", "a"), ask("a", "2", "a")]
    with pytest.raises(Outage) as caught:
        Limited(backend, in_flight=3).answer(asks)
    assert caught.value.answered == {}
    assert backend.together == [{"afall"}]
