from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from synflow.asks import Answer, Ask, Picture, Refusal
from synflow.durable import append_lines
from synflow.errors import ServiceDown
from synflow.models.journal import Journalled
from synflow.models.resilience import Outage


class Parrot:
    """Answers with the instruction; ``script`` says otherwise for some texts."""

    model = "parrot"

    def __init__(self, script: dict[str, object] | None = None) -> None:
        self.script = script or {}
        self.seen: list[str] = []

    def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
        replies: dict[int, Answer | Refusal] = {}
        for i, ask in enumerate(asks):
            self.seen.append(ask.text)
            planned = self.script.get(ask.text)
            if isinstance(planned, str) and planned == "down":
                raise Outage("the server is gone", "start it", replies)
            if isinstance(planned, str):
                replies[i] = Refusal(ask.digest(self.model), planned)
            else:
                value = {"said": ask.text, "n": 0.25, "odd": "\ud800é"}
                replies[i] = Answer(ask.digest(self.model), value, self.model, "r1", ask.bound, 10, 4, 3)
        return list(replies.values())


def ask(text: str, seed: int = 0) -> Ask:
    return Ask(prompt="p", prompt_digest="d", text=text, schema={}, pictures=(Picture(b"x", "pic", 0.5),), seed=seed)


def test_second_run_asks_nothing_and_gets_the_same(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    first = Journalled(Parrot(), path, append_lines)
    given = first.answer([ask("a"), ask("b"), ask("a")])
    assert first.backend.seen == ["a", "b"]  # type: ignore[attr-defined]
    assert dataclasses.asdict(first.usage) == {
        "calls": 2, "hits": 1, "reused": 0, "prompt_tokens": 20, "cached_tokens": 8, "answer_tokens": 6,
        "later": 1, "again": 1, "again_cached": 0,
    }  # fmt: skip
    again = Journalled(Parrot(), path, append_lines)
    assert again.answer([ask("a"), ask("b"), ask("a")]) == given
    assert (again.usage.calls, again.usage.hits, again.usage.prompt_tokens) == (0, 3, 0)
    assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("changed", [{"text": "other"}, {"seed": 1}, {"prompt_digest": "e"}, {"temperature": 0.1}])
def test_a_changed_request_is_asked(tmp_path: Path, changed: dict[str, object]) -> None:
    path = tmp_path / "j.jsonl"
    Journalled(Parrot(), path, append_lines).answer([ask("a"), ask("b")])
    again = Journalled(Parrot(), path, append_lines)
    again.answer([dataclasses.replace(ask("a"), **changed), ask("b")])  # type: ignore[arg-type]
    assert (again.usage.calls, again.usage.hits) == (1, 1)


def test_answers_are_durable_before_they_are_returned(tmp_path: Path) -> None:
    batches: list[list[str]] = []

    def append(path: Path, lines: Sequence[bytes]) -> None:
        batches.append([json.loads(line)["answer"]["value"]["said"] for line in lines])
        append_lines(path, lines)

    journal = Journalled(Parrot(), tmp_path / "j", append)
    journal.answer([ask(t) for t in "abc"])
    journal.answer([ask(t) for t in "bcd"])
    assert batches == [["a", "b", "c"], ["d"]]


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_a_torn_last_line_is_asked_again_and_repaired(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j.jsonl"
    given = Journalled(Parrot(), path, append_lines).answer([ask("a"), ask("b")])
    path.write_bytes(path.read_bytes()[:-cut])
    mended = Journalled(Parrot(), path, append_lines)
    assert mended.answer([ask("a"), ask("b")]) == given
    # A line that lost its end only is still whole.
    assert mended.usage.calls == (0 if cut == 1 else 1)
    third = Journalled(Parrot(), path, append_lines)
    assert third.answer([ask("a"), ask("b")]) == given
    assert third.usage.calls == 0


def test_the_first_answer_counts(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    ours, theirs = Journalled(Parrot({}), path, append_lines), Parrot()
    assert ours.answer([ask("z")])

    class Late(Parrot):
        def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
            # While this one thinks, another worker answers the same request and writes it down.
            Journalled(theirs, path, append_lines).answer(asks)
            return [dataclasses.replace(a, value="late") for a in super().answer(asks) if isinstance(a, Answer)]

    (given,) = Journalled(Late(), path, append_lines).answer([ask("a")])
    assert isinstance(given, Answer)
    assert given.value["said"] == "a"


def test_lasting_refusals_are_kept_and_passing_ones_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    script: dict[str, object] = {"bad": "answer-schema", "busy": "rate-limit", "limits": "request-refused"}
    asks = [ask("bad"), ask("busy"), ask("limits"), ask("fine")]
    given = Journalled(Parrot(script), path, append_lines).answer(asks)
    assert [getattr(g, "reason", "") for g in given] == ["answer-schema", "rate-limit", "request-refused", ""]
    again = Journalled(Parrot(), path, append_lines)
    assert [getattr(g, "reason", "") for g in again.answer(asks)] == ["answer-schema", "", "", ""]
    assert again.backend.seen == ["busy", "limits"]  # type: ignore[attr-defined]


def test_what_was_answered_before_an_outage_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with pytest.raises(ServiceDown):
        Journalled(Parrot({"c": "down"}), path, append_lines).answer([ask("a"), ask("b"), ask("c")])
    again = Journalled(Parrot(), path, append_lines)
    again.answer([ask("a"), ask("b"), ask("c")])
    assert again.backend.seen == ["c"]  # type: ignore[attr-defined]


class Cached(Parrot):
    """Holds the pictures of each clip after it saw them once, and the system text of all."""

    def __init__(self, vision: int = 500, text: int = 20) -> None:
        super().__init__()
        self.vision, self.text = vision, text
        self.held: set[tuple[str, ...]] = set()

    def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
        replies: list[Answer | Refusal] = []
        for one in asks:
            cached = self.text + (self.vision if one.bound in self.held else 0)
            self.held.add(one.bound)
            replies.append(Answer(one.digest(self.model), "x", self.model, "", one.bound, 1000, cached, 5))
        return replies


def test_calls_that_find_the_pictures_of_their_clip_are_counted(tmp_path: Path) -> None:
    def on(clip: str, text: str, pictures: str) -> Ask:
        shown = tuple(Picture(name.encode(), name, 0.0) for name in pictures)
        return Ask("p", "d", text, {}, shown, system="s" * 60, affinity=clip)

    journalled = Journalled(Cached(), tmp_path / "j.jsonl", append_lines)
    journalled.answer([on("a", "1", "xy"), on("a", "2", "x"), on("b", "1", "zw"), on("a", "3", "xy")])
    used = journalled.usage
    assert (used.calls, used.later, used.again, used.again_cached) == (4, 2, 1, 1)
    journalled.answer([on("b", "2", "zw"), on("a", "1", "xy"), on("b", "2", "zw")])
    assert (used.calls, used.hits, used.later, used.again, used.again_cached) == (5, 2, 3, 2, 2)
    # A system text that all share is no picture.
    other = Journalled(Cached(vision=0), tmp_path / "k.jsonl", append_lines)
    other.answer([on("a", "1", "xy"), on("a", "2", "xy")])
    assert (other.usage.again, other.usage.again_cached) == (1, 0)


def test_answers_that_cannot_be_used_are_paid_for_too(tmp_path: Path) -> None:
    class Cut(Parrot):
        def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
            return [Refusal(one.digest(self.model), "answer-truncated", "cut", 100, 40, 16) for one in asks]

    journalled = Journalled(Cut(), tmp_path / "j.jsonl", append_lines)
    journalled.answer([ask("a"), ask("b")])
    used = journalled.usage
    assert (used.calls, used.prompt_tokens, used.cached_tokens, used.answer_tokens) == (2, 200, 80, 32)
    again = Journalled(Cut(), tmp_path / "j.jsonl", append_lines)
    assert isinstance(again.answer([ask("a")])[0], Refusal)
    assert again.usage.calls == 0
