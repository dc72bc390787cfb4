from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from test_stages_expand import Bench, clip

from stages.near.rivals import Gallery, Query, Ranks, standard
from stages.need import Need, NeedConfig
from stages.rules.round_trip import pack
from synflow.asks import Item, Vector, said_digest
from synflow.contract import CorpusStage, Keep
from synflow.ids import digest_of_frames
from synflow.pairs import clip_video, image_of, pair_id, segment_video, shown, text_side
from synflow.records import Pair, Sample, Side

DIM = 64


def packed(*values: float) -> str:
    vector = np.zeros(DIM, np.float32)
    vector[: len(values)] = values
    return pack(vector / np.linalg.norm(vector))


NOISE = [packed(*np.random.default_rng(place).normal(size=DIM)) for place in range(60)]


def ranks(query: Query, clips: Sequence[str], gallery: int = 1000) -> Ranks:
    ((place, found),) = Gallery(clips, gallery, 1).ranks([query])
    assert place == 0
    return found


def query(text: str, reference: str, both: str = "", target: str = "", rest: str = "") -> Query:
    return Query(text, reference, both, target, rest, goal=0, own=1)


def test_both_find_what_neither_finds_alone() -> None:
    """The target has two traits; some rivals have the one, others the other."""
    clips = [packed(1, 1), packed(0, 1), *[packed(1.3, 0.2)] * 5, *[packed(0.2, 1.3)] * 5]
    found = ranks(query(packed(1, 0), packed(0, 1)), clips)
    assert found.text == 6 and found.reference == 6 and found.both == 1
    assert found.rivals == 10
    assert Need().fault(found) == ""


def test_a_joint_vector_takes_the_place_of_late_fusion() -> None:
    clips = [packed(1, 1), packed(0, 1), *[packed(1.3, 0.2)] * 5, *[packed(0.2, 1.3)] * 5]
    assert ranks(query(packed(1, 0), packed(0, 1), both=packed(1.3, 0.2)), clips).both == 6


def test_equal_scores_count_against_the_target() -> None:
    clips = [packed(1), packed(0, 1), packed(1), packed(1)]
    assert ranks(query(packed(1), packed(1)), clips) == Ranks(3, 3, 3, 2)


def test_the_reference_s_own_video_is_no_rival_but_the_rest_of_the_target_s_is() -> None:
    clips = [packed(1, 1), packed(1, 0), packed(0, 1)]
    assert ranks(query(packed(1, 0), packed(1, 0)), clips).reference == 1
    assert ranks(query(packed(1, 0), packed(1, 0), target=packed(1, 1), rest=packed(1, 0)), clips).reference == 2


def test_an_embedder_that_abstains_leaves_ranks_unknown() -> None:
    found = ranks(query("", packed(1, 0)), [packed(1, 1), "", packed(1, 0), ""])
    assert (found.text, found.both) == (0, 0) and found.reference == 2
    assert Need(NeedConfig(stray=1)).fault(found) == ""
    assert Need(NeedConfig(stray=1, unknown="drop")).fault(found) == "unknown"
    assert ranks(query(packed(1), packed(1)), ["", packed(1)]) == Ranks(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (Ranks(1, 9, 1, 50), "text-finds"),
        (Ranks(9, 1, 1, 50), "reference-finds"),
        (Ranks(9, 5, 3, 50), "no-gain"),
        (Ranks(9, 6, 3, 50), ""),
        (Ranks(90, 20, 6, 50), ""),
        (Ranks(90, 20, 7, 50), "too-wide"),
        (Ranks(9, 8, 9, 50), "no-gain"),
        (Ranks(9, 26, 3, 50), ""),
        (Ranks(9, 27, 3, 50), "stray"),
        (Ranks(0, 26, 0, 50), ""),
        (Ranks(0, 27, 0, 50), "stray"),
    ],
)
def test_why_a_query_does_not_need_both(found: Ranks, fault: str) -> None:
    assert Need().fault(found) == fault


def test_a_large_run_is_sampled_but_keeps_the_nearest() -> None:
    """Ten clips are nearly the target: they must be among its rivals, however few are drawn."""
    near = [packed(1, 1, 0.01 * place) for place in range(10)]
    found = ranks(query(packed(1, 1), packed(1, 1)), [packed(1, 1), NOISE[0], *near, *NOISE * 3], gallery=20)
    assert found.rivals < 100
    assert found.text >= 2
    assert found == ranks(query(packed(1, 1), packed(1, 1)), [packed(1, 1), NOISE[0], *near, *NOISE * 3], gallery=20)


def test_standard_scores_do_not_divide_by_nothing() -> None:
    assert standard(np.array([2.0, 2.0])).tolist() == [0.0, 0.0]
    assert standard(np.array([1.0, 3.0])).tolist() == [-1.0, 1.0]


class Embedder:
    """Places texts by their first word and pictures by the clip that they are from."""

    model = "words"
    learned = False

    def __init__(self, axes: dict[str, tuple[float, ...]], false: bool = False) -> None:
        self.axes, self.false = axes, false

    def embed(self, items: Sequence[Item]) -> list[Vector]:
        return [self._vector(item) for item in items]

    def _vector(self, item: Item) -> Vector:
        vector = np.zeros(DIM, np.float32)
        names = [item.text.split()[0]] if item.text else []
        names += [f"t{picture.time:.2f}" for picture in item.pictures]
        for name in names:
            values = self.axes.get(name, (0, 0, 1))
            vector[: len(values)] += np.array(values, np.float32)
        bound = tuple("x" if self.false else picture.digest for picture in item.pictures)
        return Vector(vector / np.linalg.norm(vector), bound, said_digest(item.text))


def composed(own: Sample, goal: Sample, text: str = "red ones") -> Pair:
    image = image_of(own, 1)
    video = clip_video(goal, 8) if goal is not own else segment_video(own, 8, 14, 8)
    side = text_side(text, "composed", digest_of_frames(shown(image, video)))
    query_side, target = side.model_copy(update={"image": image}), Side(video=video)
    return Pair(
        id=pair_id("ti2v", query_side, target), task="ti2v", query=query_side, target=target, instruction="",
        domain="cmp", record_id="r", source_id="s", source_uri="u", licence="l",
    )  # fmt: skip


def scene(embedder: Embedder) -> tuple[Bench, list[Sample]]:
    bench = Bench()
    bench.embed = embedder
    names = [clip(bench, "a" * (place + 1), 10.0 * place, 10.0 * place + 8, f"r{place}") for place in range(5)]
    return bench, [names[0].having(pairs=(composed(names[0], names[1]), composed(names[0], names[0]))), *names[1:]]


def test_rows_settle_and_apply_leave_pairs_with_their_ranks() -> None:
    bench, samples = scene(Embedder({}))
    stage = Need(NeedConfig(found=0, gain=1.0, widest=1.0, stray=1.0))
    rows = stage.rows(samples, bench)
    assert [len(row["pairs"]) for row in rows if row] == [2, 0, 0, 0, 0]
    decisions = stage.settle([row for row in rows if row], 1)
    outcome = stage.apply(samples[0], decisions[0])
    assert isinstance(outcome, Keep)
    # All vectors are equal, so that nothing is found by both that one does not find as well.
    assert outcome.sample.measures["need.kept"] + outcome.sample.measures["need.no-gain"] == 2
    for pair in outcome.sample.pairs:
        assert set(pair.scores) == {"need.text", "need.reference", "need.both", "need.rivals"}


def test_a_vector_of_something_else_is_not_believed() -> None:
    bench, samples = scene(Embedder({}, false=True))
    rows = [row for row in Need().rows(samples, bench) if row]
    outcome = Need().apply(samples[0], Need().settle(rows, 1)[0])
    assert isinstance(outcome, Keep)
    assert outcome.sample.pairs == ()
    assert outcome.sample.measures["need.unbound"] == 2


def test_other_tasks_are_left_alone_and_it_is_a_corpus_stage_that_alters() -> None:
    bench, samples = scene(Embedder({}))
    plain = samples[1]
    stage = Need()
    assert isinstance(stage, CorpusStage) and Need.alters
    decision: Any = stage.settle([row for row in stage.rows([plain], bench) if row], 1)[0]
    outcome = stage.apply(plain, decision)
    assert isinstance(outcome, Keep) and outcome.sample == plain
