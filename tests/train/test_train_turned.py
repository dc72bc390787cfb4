"""Targets played backward, where a pair says that they are negatives of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the trainer needs torch: make test-train")

from synflow.asks import Item, Picture
from synflow.store.reader import StoredPair, open_dataset
from synflow.train.batches import Batch
from synflow.train.feed import Steps
from synflow.train.hard import Hard
from synflow.train.recipe import InputSpec, NegativesSpec
from synflow.train.samples import Items, Sequencer, backward

TURNED = {"kind": "reversed-video", "negative_clip_id": "c1"}


class Told(Items):
    """Pairs of which every second one has its target backward among its negatives."""

    def pair(self, place: int) -> StoredPair:
        pair = super().pair(place)
        return replace(pair, record={**pair.record, "negatives": [TURNED]}) if place % 2 else pair


def test_a_video_backward_has_its_pictures_the_other_way_round_at_mirrored_times() -> None:
    shown = tuple(Picture(bytes([n]), str(n), time) for n, time in enumerate((1.0, 1.5, 4.0)))
    found = backward(Item(pictures=shown))
    assert [(one.digest, one.time) for one in found.pictures] == [("2", 1.0), ("1", 3.5), ("0", 4.0)]
    assert backward(found) == Item(pictures=shown)
    assert backward(Item("a")) == Item("a")


@pytest.mark.parametrize("wanted", [True, False])
def test_a_step_holds_them_for_the_pairs_that_say_so(made_run: Path, tiny_base: Path, wanted: bool) -> None:
    dataset = open_dataset(made_run)
    places = dataset.places(["t2v"], 0, 0, 1)[:4].tolist()
    hard = Hard(NegativesSpec(reversed=wanted))
    sequencer = Sequencer(str(tiny_base), "", InputSpec(frames=4, frame_tokens=4, image_tokens=4, max_tokens=256))
    share = Steps([Batch(0, "t2v", tuple(places))], Told(dataset), sequencer, hard)[0]  # type: ignore[arg-type]
    assert share.turned.shape == (4, int(wanted))
    assert share.sound.all() and not share.spoilt
    told = [bool(wanted and place % 2) for place in places]
    assert [(row >= 0).any() for row in share.turned] == told
    for row, is_told in enumerate(told):
        if is_told:
            own, other = share.rows[share.targets[row]], share.rows[share.turned[row, 0]]
            assert own.content != other.content and len(own) == len(other)
            assert share.media[own.media].grid == share.media[other.media].grid
