"""What a call to a model survives: lost connections, busy servers, and servers that stay away.

Each class wraps a `Vlm` and is one itself. Around a server they stand as
``Journalled(Limited(Retrying(Route([Breaker(server), ...]))))``; nobody else retries a call.

=====================================  ==========================================================
failure of one call                    what becomes of it
=====================================  ==========================================================
429, 5xx, reset, timeout, odd reply    `TransientFailure`; asked again, capped in number and time
400, 413, 422 and other 4xx            the same with short pauses: gateways give them by mistake too
the same ask fails until the caps      a `Refusal` if the server answers something else, else `Outage`
the server refuses whatever it gets    `Outage`: nothing of the run would come to be
many calls in a row fail               the breaker opens: one probe at a time, then `Outage`
an answer that cannot be used          a `Refusal`; asking again would not help
=====================================  ==========================================================
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from synflow.asks import Answer, Ask, Refusal, Vlm
from synflow.errors import ServiceDown
from synflow.ids import rng_of

Reply = Answer | Refusal

REFUSED = "request-refused"
"""Reason of a failure by which the server says that it can never answer the request."""

ALIVE = frozenset({"rate-limit", REFUSED})
"""Reasons of failures that show a server at work; a breaker does not count them."""

CANARY = Ask(
    "canary", "", 'Answer {"ok": true}.', {"type": "object", "properties": {"ok": {"type": "boolean"}}},
    max_tokens=16, temperature=0.0,
)  # fmt: skip
"""The least that can be asked: who answers it is alive, and what else it fails on is that request's own fault."""
CANARIES = 3
ALL_REFUSED = 8
"""So many requests refused by a server that never answered any, and it is not the requests."""


class TransientFailure(ServiceDown):
    """One call failed in a way that may pass.

    Args:
        reason: ``rate-limit``, ``server-error``, ``reset``, ``timeout``, ``bad-reply`` or ``request-refused``.
        detail: what was seen, in one line.
        after: seconds that the server asked to wait; None where it did not say.
    """

    def __init__(self, reason: str, detail: str = "", after: float | None = None) -> None:
        super().__init__(f"the model server failed ({reason}): {detail}", "check the server, then `synflow resume`")
        self.reason = reason
        self.detail = detail
        self.after = after

    def __reduce__(self) -> tuple[type[TransientFailure], tuple[str, str, float | None]]:  # type: ignore[override]
        """Keep all fields when the error crosses a process boundary."""
        return (type(self), (self.reason, self.detail, self.after))


class Outage(ServiceDown):
    """The model cannot be asked any more just now.

    Args:
        cause: one line. remedy: one line.
        answered: what was answered all the same, by place in the batch; a journal keeps it.
    """

    def __init__(self, cause: str, remedy: str = "", answered: Mapping[int, Reply] | None = None) -> None:
        super().__init__(cause, remedy)
        self.answered = dict(answered or {})


class Retrying:
    """Asks again after a transient failure: exponential pauses with jitter, or as long as the server says.

    Args:
        backend: who is asked, one ask at a time.
        attempts: calls for one ask at most.
        patience: seconds that one ask may take in all; no pause begins that would end later.
        base, cap: the first pause and the longest one, in seconds, before jitter of 0.5 to 1.5.
        clock, sleep: the passing of time; tests bring their own.
    """

    def __init__(
        self,
        backend: Vlm,
        attempts: int = 12,
        patience: float = 1800.0,
        base: float = 0.5,
        cap: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.backend = backend
        self.retries = 0
        self._attempts, self._patience, self._base, self._cap = attempts, patience, base, cap
        self._clock, self._sleep = clock, sleep
        self._refused = 0
        self._answered = False

    @property
    def model(self) -> str:
        """Id of the model behind it."""
        return self.backend.model

    def answer(self, asks: Sequence[Ask]) -> Sequence[Reply]:
        """Return one answer or refusal for each ask.

        Raises:
            Outage: an ask used up its attempts or its time, and the server answers nothing else either.
        """
        replies: dict[int, Reply] = {}
        for place, ask in enumerate(asks):
            try:
                replies[place] = self._one(ask)
            except Outage as outage:
                raise Outage(outage.cause, outage.remedy, replies) from outage
        return list(replies.values())

    def _one(self, ask: Ask) -> Reply:
        """Ask until there is a reply."""
        # Seeded by the request, so that a run's pauses can be told beforehand and replicas do not fall in step.
        rng = rng_of("retry", ask.digest(self.model))
        began = self._clock()
        for attempt in range(1, self._attempts + 1):
            try:
                reply = self.backend.answer([ask])[0]
            except TransientFailure as failure:
                pause = self._pause(failure, attempt) * (0.5 + rng.random())
                pause = max(pause, failure.after or 0.0)
                late = self._clock() + pause - began > self._patience
                if attempt == self._attempts or late:
                    return self._given_up(ask, attempt, failure)
                self.retries += 1
                self._sleep(pause)
            else:
                self._answered = True
                return reply
        raise Outage(f"{self.model}: no attempt is allowed", "set attempts to 1 or more")

    def _pause(self, failure: TransientFailure, attempt: int) -> float:
        """Return the seconds to wait before jitter; a refusal is either taken back soon or meant."""
        if failure.reason == REFUSED:
            return min(1.0, self._base / 10 * 2.0 ** (attempt - 1))
        return min(self._cap, self._base * 2.0 ** (attempt - 1))

    def _given_up(self, ask: Ask, attempt: int, failure: TransientFailure) -> Refusal:
        """Return the refusal of a request that fails while others do not.

        Raises:
            Outage: it is the server that fails.
        """
        if failure.reason == REFUSED:
            self._refused += 1
            if self._answered or self._refused < ALL_REFUSED:
                return Refusal(ask.digest(self.model), REFUSED, failure.detail)
            raise Outage(
                f"{self.model}: the server refuses every request ({failure.detail})",
                "start it with limits that fit the manifest (`synflow serve` does), then `synflow resume` the run",
            ) from failure
        if failure.reason != "rate-limit" and self._alive(ask):
            return Refusal(ask.digest(self.model), failure.reason, failure.detail)
        times = f"{attempt} attempt{'s' if attempt > 1 else ''}"
        cause = f"{self.model}: gave up after {times} ({failure.reason}: {failure.detail})"
        raise Outage(cause, "check the model server, then `synflow resume` the run") from failure

    def _alive(self, ask: Ask) -> bool:
        """Tell whether the server that fails on an ask answers the simplest one."""
        for _ in range(CANARIES):
            try:
                self.backend.answer([replace(CANARY, affinity=ask.affinity or ask.digest(self.model))])
            except ServiceDown:
                continue
            return True
        return False


class Breaker:
    """Stops calling a server that fails time after time, probes it, and at last says that it is down.

    Closed, it passes calls through. After ``threshold`` failures in a row it opens: callers wait, and every
    ``pause`` seconds one of them probes. A success closes it; ``probes`` failed probes end in `Outage`, and so does
    every later call.

    Args:
        backend: one server.
        threshold: failures in a row that open it; what shows a server at work (`ALIVE`) does not count.
        pause: seconds between probes.
        probes: probes that may fail.
        sleep: the passing of time; tests bring their own.
    """

    def __init__(
        self,
        backend: Vlm,
        threshold: int = 8,
        pause: float = 5.0,
        probes: int = 12,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.backend = backend
        self.down = ""
        self._threshold, self._pause, self._probes, self._sleep = threshold, pause, probes, sleep
        self._failures = 0
        self._failed_probes = 0
        self._state = threading.Lock()
        self._probe = threading.Lock()

    @property
    def model(self) -> str:
        """Id of the model behind it."""
        return self.backend.model

    def answer(self, asks: Sequence[Ask]) -> Sequence[Reply]:
        """Pass the call through, wait for a probe, or refuse.

        Raises:
            TransientFailure: the call failed. Outage: the server is down for good.
        """
        if not self._open():
            return self._call(asks)
        with self._probe:
            if not self._open():
                return self._call(asks)
            self._sleep(self._pause)
            try:
                return self._call(asks)
            except TransientFailure as failure:
                with self._state:
                    self._failed_probes += failure.reason not in ALIVE
                    if self._failed_probes >= self._probes:
                        self.down = f"{failure.reason}: {failure.detail}"
                raise

    def _open(self) -> bool:
        """Tell whether calls must wait."""
        with self._state:
            if self.down:
                raise Outage(
                    f"{self.model}: the model server is down ({self.down})",
                    "start the server again, then `synflow resume` the run",
                )
            return self._failures >= self._threshold

    def _call(self, asks: Sequence[Ask]) -> Sequence[Reply]:
        """Call, and count failures in a row."""
        try:
            replies = self.backend.answer(asks)
        except TransientFailure as failure:
            with self._state:
                self._failures = 0 if failure.reason in ALIVE else self._failures + 1
            raise
        with self._state:
            self._failures = self._failed_probes = 0
        return replies
