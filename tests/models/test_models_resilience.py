from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Sequence

import pytest

from synflow.asks import Answer, Ask, Refusal
from synflow.errors import UsageError
from synflow.models.flight import Limited
from synflow.models.resilience import CANARIES, CANARY, Breaker, Outage, Retrying, TransientFailure


def ask(text: str) -> Ask:
    return Ask(prompt="p", prompt_digest="d", text=text, schema={})


class Scripted:
    """Calls ``act(text, n)`` for the n-th call of a text; what it raises is raised."""

    model = "scripted"

    def __init__(self, act: Callable[[str, int], object]) -> None:
        self.act = act
        self.calls: dict[str, int] = {}
        self.lock = threading.Lock()

    def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
        replies = []
        for one in asks:
            with self.lock:
                self.calls[one.text] = self.calls.get(one.text, 0) + 1
                n = self.calls[one.text]
            replies.append(Answer(one.digest(self.model), self.act(one.text, n), self.model))
        return replies


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


def failing(times: int, reason: str = "reset", after: float | None = None) -> Callable[[str, int], object]:
    def act(text: str, n: int) -> object:
        if n <= times:
            raise TransientFailure(reason, "scripted", after)
        return text

    return act


def test_retries_until_it_answers_with_growing_pauses() -> None:
    time = Time()
    retrying = Retrying(Scripted(failing(4)), attempts=5, clock=time.clock, sleep=time.sleep)
    (given,) = retrying.answer([ask("a")])
    assert isinstance(given, Answer)
    assert given.value == "a"
    assert retrying.retries == 4
    for i, pause in enumerate(time.pauses):
        assert 0.5 * 0.5 * 2**i <= pause <= 1.5 * 0.5 * 2**i
    other = Time()
    Retrying(Scripted(failing(4)), attempts=5, clock=other.clock, sleep=other.sleep).answer([ask("a")])
    assert other.pauses == time.pauses


def test_honours_retry_after() -> None:
    time = Time()
    Retrying(Scripted(failing(1, "rate-limit", 17.0)), clock=time.clock, sleep=time.sleep).answer([ask("a")])
    assert time.pauses == [17.0]


def test_a_request_that_alone_always_fails_is_refused_alone() -> None:
    time = Time()
    backend = Scripted(lambda text, n: failing(99)(text, n) if text == "b" else text)
    chain = Retrying(backend, attempts=3, clock=time.clock, sleep=time.sleep)
    first, refused, third = chain.answer([ask("a"), ask("b"), ask("c")])
    assert isinstance(first, Answer) and isinstance(third, Answer)
    assert isinstance(refused, Refusal) and refused.reason == "reset"
    assert backend.calls == {"a": 1, "b": 3, CANARY.text: 1, "c": 1}


def test_attempts_and_patience_are_capped_and_earlier_answers_survive() -> None:
    time = Time()
    backend = Scripted(lambda text, n: text if text == "a" else failing(99)(text, n))
    with pytest.raises(Outage, match="gave up after 3 attempts") as caught:
        Retrying(backend, attempts=3, clock=time.clock, sleep=time.sleep).answer([ask("a"), ask("b"), ask("c")])
    assert list(caught.value.answered) == [0]
    assert backend.calls == {"a": 1, "b": 3, CANARY.text: CANARIES}
    time = Time()
    with pytest.raises(Outage):
        Retrying(Scripted(failing(99, "rate-limit", 40.0)), attempts=50, patience=100, clock=time.clock,
                 sleep=time.sleep).answer([ask("a")])  # fmt: skip
    assert time.pauses == [40.0, 40.0]


def test_refusals_and_other_errors_pass_through_at_once() -> None:
    time = Time()

    def act(text: str, n: int) -> object:
        raise UsageError("no such model", "name another")

    with pytest.raises(UsageError):
        Retrying(Scripted(act), clock=time.clock, sleep=time.sleep).answer([ask("a")])
    assert time.pauses == []


def test_limited_keeps_order_and_bound() -> None:
    running, most, lock, gate = 0, 0, threading.Lock(), threading.Barrier(3, timeout=5)

    def act(text: str, n: int) -> object:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait()
        with lock:
            running -= 1
        return text

    given = Limited(Scripted(act), in_flight=3).answer([ask(str(i)) for i in range(9)])
    assert [g.value for g in given if isinstance(g, Answer)] == [str(i) for i in range(9)]
    assert most == 3
    assert Limited(Scripted(act)).answer([]) == []


def test_limited_keeps_what_was_answered_before_an_outage() -> None:
    def act(text: str, n: int) -> object:
        if text == "5":
            raise Outage("gone", "start it")
        return text

    backend = Scripted(act)
    with pytest.raises(Outage) as caught:
        Limited(backend, in_flight=1).answer([ask(str(i)) for i in range(20)])
    assert [caught.value.answered[i].value for i in range(5)] == list("01234")  # type: ignore[union-attr]
    assert 5 not in caught.value.answered
    assert len(backend.calls) < 20


def test_breaker_probes_and_closes_again() -> None:
    time = Time()
    backend = Scripted(failing(5))
    breaker = Breaker(backend, threshold=3, pause=2.0, probes=4, sleep=time.sleep)
    for _ in range(5):
        with pytest.raises(TransientFailure):
            breaker.answer([ask("a")])
    assert time.pauses == [2.0, 2.0]  # calls 4 and 5 were probes
    assert breaker.answer([ask("a")])
    assert breaker.answer([ask("a")])
    assert time.pauses == [2.0, 2.0, 2.0]
    assert breaker.down == ""


def test_breaker_says_that_the_server_is_down_and_calls_it_no_more() -> None:
    backend = Scripted(failing(10**6))
    breaker = Breaker(backend, threshold=2, pause=1.0, probes=3, sleep=Time().sleep)
    for _ in range(5):
        with pytest.raises(TransientFailure):
            breaker.answer([ask("a")])
    with pytest.raises(Outage, match="is down"):
        breaker.answer([ask("a")])
    assert backend.calls == {"a": 5}


def test_a_busy_server_is_not_down() -> None:
    breaker = Breaker(Scripted(failing(50, "rate-limit")), threshold=2, probes=1, sleep=Time().sleep)
    for _ in range(50):
        with pytest.raises(TransientFailure):
            breaker.answer([ask("a")])
    assert breaker.answer([ask("a")])


def test_failures_cross_process_boundaries() -> None:
    failure = pickle.loads(pickle.dumps(TransientFailure("reset", "x", 2.0)))
    assert (failure.reason, failure.detail, failure.after) == ("reset", "x", 2.0)
    outage = pickle.loads(pickle.dumps(Outage("a", "b", {})))
    assert (outage.cause, outage.remedy, outage.exit_code) == ("a", "b", 3)
