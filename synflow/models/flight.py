"""In which order the asks of a batch go out, and how many at a time.

A server computes the pictures of a clip once and finds them again for every later request that begins with them, but
only once the first has come through: asks sent at the same moment each pay for all pictures. So of those that show
the same pictures one goes ahead, and the others follow when it is answered. Meanwhile other clips have their turn.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from synflow.asks import Answer, Ask, Refusal, Vlm
from synflow.errors import ServiceDown
from synflow.models.resilience import Outage

Reply = Answer | Refusal
Beginning = tuple[str, str, tuple[str, ...]]
REMEMBERED = 2048
"""Beginnings of requests that are taken for warm; about 1 kB each."""


def beginning(ask: Ask) -> Beginning | None:
    """Return what a request begins with, and where it is computed: clip, system text, pictures; None without any."""
    return (ask.affinity, ask.system, ask.bound) if ask.pictures else None


class Warm:
    """Which beginnings were answered before; forgets the oldest. Bears several threads."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._held: OrderedDict[Beginning, None] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, one: Beginning) -> bool:
        with self._lock:
            return one in self._held

    def add(self, one: Beginning) -> None:
        """Remember a beginning."""
        with self._lock:
            self._held[one] = None
            self._held.move_to_end(one)
            while len(self._held) > self._most:
                self._held.popitem(last=False)


class Turns:
    """The places of a batch in the order in which they may go out. One thread at a time.

    Args:
        asks: the batch. warm: beginnings that need nobody to go ahead; those of this batch are added.
        places: which of the asks; all by default.
    """

    def __init__(self, asks: Sequence[Ask], warm: Warm, places: Sequence[int] | None = None) -> None:
        self._warm = warm
        self._ready: deque[int] = deque()
        self._behind: dict[int, list[int]] = {}
        self._begins: dict[int, Beginning] = {}
        first: dict[Beginning, int] = {}
        for place in range(len(asks)) if places is None else places:
            begins = beginning(asks[place])
            if begins is not None and begins not in warm:
                ahead = first.setdefault(begins, place)
                if ahead != place:
                    self._behind[ahead].append(place)
                    continue
                self._behind[place], self._begins[place] = [], begins
            self._ready.append(place)

    def next(self) -> int | None:
        """Return the next place; None where there is none, or all that is left has to wait for an answer."""
        return self._ready.popleft() if self._ready else None

    def done(self, place: int) -> None:
        """Let those that waited for this one go next, while the server still holds its pictures."""
        self._ready.extendleft(reversed(self._behind.pop(place, [])))
        if place in self._begins:
            self._warm.add(self._begins.pop(place))


class Limited:
    """Keeps a bounded number of asks in flight, each in a thread of its own, in the order of `Turns`.

    Args:
        backend: who is asked, one ask a call; must bear calls from several threads.
        in_flight: asks at a time.
    """

    def __init__(self, backend: Vlm, in_flight: int = 16) -> None:
        self.backend = backend
        self._in_flight = in_flight
        self._warm = Warm()

    @property
    def model(self) -> str:
        """Id of the model behind it."""
        return self.backend.model

    def answer(self, asks: Sequence[Ask]) -> Sequence[Reply]:
        """Return one answer or refusal for each ask, in order.

        Raises:
            Outage: the backend gave up; asks that had not begun are not sent, finished ones are in ``answered``.
        """
        if not asks:
            return []
        batch = _Batch(self.backend, asks, self._warm)
        threads = min(self._in_flight, len(asks))
        pool = ThreadPoolExecutor(threads, thread_name_prefix="synflow-ask")
        try:
            wait([pool.submit(batch.work) for _ in range(threads)])
        finally:
            batch.stop()
            pool.shutdown(wait=True, cancel_futures=True)
        return batch.replies()


class _Batch:
    """One batch on its way: what several threads take from and add to."""

    def __init__(self, backend: Vlm, asks: Sequence[Ask], warm: Warm) -> None:
        self.backend, self.asks = backend, asks
        self._turns = Turns(asks, warm)
        self._change = threading.Condition()
        self._flying = 0
        self._stopped = False
        self._answered: dict[int, Reply] = {}
        self._failures: dict[int, BaseException] = {}

    def work(self) -> None:
        """Ask one after another until none is left, or one failed for good."""
        while (place := self._take()) is not None:
            try:
                reply = self.backend.answer([self.asks[place]])[0]
            except BaseException as failure:
                self._land(place, failure=failure)
                raise
            self._land(place, reply=reply)

    def _take(self) -> int | None:
        with self._change:
            while not self._stopped:
                place = self._turns.next()
                if place is not None:
                    self._flying += 1
                    return place
                if not self._flying:
                    return None
                self._change.wait()
            return None

    def _land(self, place: int, reply: Reply | None = None, failure: BaseException | None = None) -> None:
        with self._change:
            self._flying -= 1
            if reply is not None:
                self._answered[place] = reply
                self._turns.done(place)
            else:
                assert failure is not None
                self._failures[place] = failure
                self._stopped = True
            self._change.notify_all()

    def stop(self) -> None:
        """Send nothing more."""
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def replies(self) -> list[Reply]:
        """Return the replies in order.

        Raises:
            Outage: the backend gave up. Whatever else it raised.
        """
        for _, failure in sorted(self._failures.items()):
            if not isinstance(failure, ServiceDown):
                raise failure
        for _, failure in sorted(self._failures.items()):
            if isinstance(failure, ServiceDown):
                raise Outage(failure.cause, failure.remedy, dict(sorted(self._answered.items()))) from failure
        return [self._answered[place] for place in range(len(self.asks))]
