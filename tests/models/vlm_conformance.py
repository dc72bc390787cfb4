"""What every model that writes promises (`synflow.models.contract`), as tests that each backend runs on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ClassVar

import cv2
import numpy as np

from synflow import prompts
from synflow.asks import Answer, Ask, Picture, Refusal, Vlm
from synflow.ids import digest
from synflow.models.schema import fault

CAPTIONS = {
    "type": "object",
    "properties": {str(key): {"type": "string", "minLength": 1} for key in range(1, 6)},
    "required": [str(key) for key in range(1, 6)],
    "additionalProperties": False,
}
FIVE_WORDS = {
    **CAPTIONS, "properties": {key: {"type": "string", "enum": ["red", "a dog", "left"]} for key in "12345"},
}  # fmt: skip
"""A schema that even a model that writes noise fills in a few tokens."""
OTHER = {
    "type": "object", "properties": {"sound": {"type": "boolean"}}, "required": ["sound"],
    "additionalProperties": False,
}  # fmt: skip


def picture(seed: int, size: tuple[int, int] = (160, 90)) -> Picture:
    rough = np.random.default_rng(seed).integers(0, 255, (9, 16, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", cv2.resize(rough, size, interpolation=cv2.INTER_CUBIC))[1].tobytes()
    return Picture(jpeg, digest(jpeg), 0.5 * seed)


FILMS = tuple(tuple(picture(10 * clip + frame) for frame in range(4)) for clip in range(3))
SPOILT = Picture(b"no jpeg", digest(b"no jpeg"), 0.0)


class VlmConformance:
    """Subclasses give the fixture ``vlm``, and a schema that it can fill."""

    schema: ClassVar[Mapping[str, Any]] = CAPTIONS

    def ask(self, clip: int = 0, prompt: str = "video-captions", **changes: Any) -> Ask:
        found = prompts.load(prompt)
        slots = {"caption": "", "emphasis": "spatial", "readability": "plain", "education": "college", "fault": ""}
        slots = {name: slots[name] for name in found.slots}
        pictures = FILMS[clip] if prompt == "video-captions" else FILMS[clip][:1]
        made = Ask(
            prompt, found.digest, found.render(**slots), self.schema, pictures, found.system, slots,
            affinity=f"clip-{clip}", seed=clip, max_tokens=128,
        )  # fmt: skip
        return replace(made, **changes)

    def asks(self) -> list[Ask]:
        return [self.ask(clip, prompt) for clip in range(3) for prompt in ("video-captions", "frame-captions")]

    def test_each_ask_gets_its_own_reply_in_order(self, vlm: Vlm) -> None:
        asks = self.asks()
        for given in (asks, asks[::-1], asks[:1], [*asks, *asks]):
            replies = vlm.answer(given)
            assert [one.request for one in replies] == [ask.digest(vlm.model) for ask in given]
        assert vlm.answer([]) == []
        assert vlm.model

    def test_answers_satisfy_the_schema_and_are_bound_to_what_was_shown(self, vlm: Vlm) -> None:
        asks = self.asks()
        answers = [one for one in vlm.answer(asks) if isinstance(one, Answer)]
        assert len(answers) == len(asks)
        for ask, answer in zip(asks, answers, strict=True):
            assert fault(answer.value, self.schema) == ""
            assert answer.bound == tuple(digest(one.jpeg) for one in ask.pictures)
            assert answer.model

    def test_pictures_are_named_by_their_bytes_not_by_what_is_said_of_them(self, vlm: Vlm) -> None:
        said = tuple(replace(one, digest=digest(b"another picture")) for one in FILMS[0])
        (reply,) = vlm.answer([self.ask(pictures=said)])
        assert isinstance(reply, Answer)
        assert reply.bound == tuple(digest(one.jpeg) for one in FILMS[0])

    def test_what_cannot_be_answered_disturbs_no_neighbour(self, vlm: Vlm) -> None:
        good = [self.ask(0), self.ask(1), self.ask(2)]
        spoilt = self.ask(0, pictures=(SPOILT,), seed=7)
        replies = vlm.answer([good[0], spoilt, good[1], spoilt, good[2]])
        for place in (1, 3):
            refused = replies[place]
            assert isinstance(refused, Refusal)
            assert refused.reason
            assert refused.request == spoilt.digest(vlm.model)
        whole = [replies[place] for place in (0, 2, 4)]
        assert all(isinstance(one, Answer) for one in whole)
        assert [one.request for one in whole] == [ask.digest(vlm.model) for ask in good]

    def test_an_answer_that_the_schema_forbids_is_a_refusal(self, vlm: Vlm) -> None:
        (reply,) = vlm.answer([self.ask(schema=OTHER)])
        if isinstance(reply, Answer):
            assert fault(reply.value, OTHER) == ""
        else:
            assert reply.reason == "answer-schema"

    def test_without_pictures_there_is_an_answer_or_a_reason(self, vlm: Vlm) -> None:
        bare, whole = vlm.answer([self.ask(pictures=()), self.ask(1)])
        assert isinstance(whole, Answer)
        if isinstance(bare, Answer):
            assert bare.bound == ()
            assert fault(bare.value, self.schema) == ""
        else:
            assert bare.reason

    def test_two_threads_get_each_their_own(self, vlm: Vlm) -> None:
        batches: list[Sequence[Ask]] = [self.asks(), self.asks()[::-1]]
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(vlm.answer, batches))
        for batch, replies in zip(batches, both, strict=True):
            assert [one.request for one in replies] == [ask.digest(vlm.model) for ask in batch]
            assert all(isinstance(one, Answer) for one in replies)
