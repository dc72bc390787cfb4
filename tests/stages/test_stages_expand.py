from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from stages.expand import COMPOSED, Expand, ExpandConfig
from synflow.asks import Answer, Ask, Picture, Refusal
from synflow.contract import Drop, Keep, Stage, Stills
from synflow.errors import ClipFailure
from synflow.ids import digest, digest_of_frames, rng_of
from synflow.pairs import faults, image_digest, shown, uniform
from synflow.prompts import load
from synflow.records import TASKS, Caption, Clip, Facts, Frame, ModelUse, Pair, Sample, Source

N = 8
USE = ModelUse(model="m", prompt="video-captions", request="r1")
FACTS = Facts(
    digest="5" * 64, bytes=1, container="mp4", codec="h264", pix_fmt="yuv420p", duration=20, fps=25, frames=500,
    width=64, height=36,
)  # fmt: skip


class Shelf:
    """Holds the pictures of samples by clip id."""

    def __init__(self) -> None:
        self.stills_of: dict[str, Stills] = {}
        self.broken: set[str] = set()

    def facts(self, sample: Sample) -> Facts:
        raise AssertionError("expand probes nothing")

    scan = facts

    def stills(self, sample: Sample) -> Stills:
        assert sample.clip is not None
        if sample.clip.id in self.broken:
            raise ClipFailure("unreadable", "gone")
        return self.stills_of[sample.clip.id]


class Scribe:
    """Writes composed texts; ``change`` alters its answers."""

    model = "scribe"

    def __init__(self, change: Callable[[Ask, Answer], Answer | Refusal] | None = None) -> None:
        self.batches: list[list[Ask]] = []
        self.change = change

    def answer(self, asks: Sequence[Ask]) -> Sequence[Answer | Refusal]:
        self.batches.append(list(asks))
        replies: list[Answer | Refusal] = []
        for ask in asks:
            key = "strategy" if ask.prompt == "composed-image" else "relation"
            value = {"query": "the same place a little later on", key: ask.slots[key]}
            answer = Answer(ask.digest(self.model), value, self.model, "7", ask.bound)
            replies.append(self.change(ask, answer) if self.change else answer)
        return replies


class Bench:
    """A context with a shelf of pictures and a scribe."""

    seed = 3
    frames = N
    embed: Any = None

    def __init__(self, vlm: Scribe | None = None) -> None:
        self.media = Shelf()
        self.vlm = vlm or Scribe()

    def prompt(self, name: str) -> Any:
        return load(name)

    def rng(self, sample: Sample, *salt: object) -> random.Random:
        return rng_of(self.seed, sample.record_id, sample.clip.id if sample.clip else "", *map(str, salt))


def clip(
    bench: Bench, name: str = "a", start: float = 0.0, end: float = 8.0, record: str = "rec", stills: int = 2 * N,
    black: Sequence[int] = (),
) -> Sample:  # fmt: skip
    """A sample with distinct pictures on the shelf, without captions."""
    noise = np.random.default_rng(len(name) + int(start))
    rgb = noise.integers(60, 255, (stills, 36, 64, 3), dtype=np.uint8)
    rgb[list(black)] = 3
    pictures, frames = [], []
    for i in range(stills):
        jpeg = cv2.imencode(".jpg", rgb[i])[1].tobytes() + f"{name}{i}".encode()
        time = start + (i + 0.5) * (end - start) / stills
        pictures.append(Picture(jpeg, digest(jpeg), time))
        frames.append(
            Frame(index=i, time=time, width=64, height=36, digest=digest(jpeg), bytes=len(jpeg), offset=9 * i)
        )
    together = digest_of_frames(p.digest for p in pictures)
    bench.media.stills_of[name] = Stills(tuple(pictures), rgb, together)
    return Sample(
        source=Source(record_id=record, uri=f"{record}.mp4", licence="CC-BY-4.0"),
        clip=Clip(id=name, start=start, end=end, facts=FACTS),
        frames=tuple(frames),
        frames_digest=together,
        frames_object="obj",
        measures={"consistency.score": 0.12345678, "quality.sharpness": 5, "dynamics.residual": 1.0},
        facts={"camera": {"motion": "pan"}},
    )


def told(sample: Sample) -> Sample:
    """The sample with captions of all kinds, bound as they should be."""
    whole = digest_of_frames(f.digest for f in sample.frames[::2])
    styles = ("summary", "dense", "abstract", "keywords", "partial")
    model = [
        Caption(text=f"A {s} text.", origin="model", style=s, emphasis="temporal", bound=whole, use=USE) for s in styles
    ]
    frame = Caption(
        text="A still.", origin="model", style="frame", emphasis="spatial", frame=5, use=USE,
        bound=image_digest(sample.frames[5]),
    )  # fmt: skip
    return sample.having(captions=(Caption(text="A raw text.", origin="human"), *model, frame), key_frames=(5,))


def expand(bench: Bench, *samples: Sample, **config: Any) -> list[Sample]:
    outcomes = Expand(ExpandConfig(**config))(samples, bench)
    assert all(isinstance(o, Keep) for o in outcomes)
    return [o.sample for o in outcomes if isinstance(o, Keep)]


def by_task(sample: Sample) -> dict[str, Pair]:
    return {p.task: p for p in sample.pairs}


def test_is_a_stage() -> None:
    assert isinstance(Expand(ExpandConfig()), Stage)
    assert {k.prompt for k in COMPOSED.values()} == {"composed-image", "composed-video"}
    for kind in COMPOSED.values():
        assert load(kind.prompt).schema["properties"][kind.slot]["enum"] == list(kind.kinds)


def test_one_clip_makes_a_sound_pair_of_every_task() -> None:
    bench = Bench()
    sample = told(clip(bench))
    (made,) = expand(bench, sample)
    pairs = by_task(made)
    assert set(pairs) == set(TASKS)
    assert len(made.pairs) == len(TASKS)
    assert [faults(p) for p in made.pairs] == [()] * 7
    assert made.measures["expand.pairs"] == 7
    assert made.measures["expand.refused"] == 0
    whole = tuple(sample.frames[i] for i in range(0, 16, 2))
    for task in ("t2v", "i2v", "v2v"):
        video = pairs[task].target.video
        assert video is not None
        assert (video.frames, video.start, video.end, video.clip_id) == (whole, 0.0, 8.0, "a")
        assert video.frames_object == "obj"
    assert pairs["t2i"].target.image is not None
    assert pairs["t2i"].target.image.frame == pairs["i2v"].query.image.frame == sample.frames[5]  # type: ignore[union-attr]
    assert (pairs["t2i"].domain, pairs["i2v"].domain, pairs["ti2v"].domain) == ("s", "vis", "cmp")
    for pair in made.pairs:
        assert pair.scores == {"consistency.score": 0.123457, "quality.sharpness": 5.0}
        assert (pair.licence, pair.record_id, pair.source_id) == ("CC-BY-4.0", "rec", "5" * 64)
        assert pair.instruction
    uses = {t: [u.model for u in p.provenance.models] for t, p in pairs.items()}
    assert uses["ti2v"] == uses["tv2v"] == ["scribe"]
    assert uses["i2v"] == uses["v2v"] == []
    assert uses["t2i"] == ["m"]


def test_composed_pairs_ask_once_for_the_shard_with_the_reference_first() -> None:
    bench = Bench()
    samples = [told(clip(bench, "a", record="r1")), told(clip(bench, "bb", record="r2"))]
    made = expand(bench, *samples)
    (asks,) = bench.vlm.batches
    assert [a.prompt for a in asks] == ["composed-image", "composed-video"] * 2
    for ask, sample in zip(asks, [made[0], made[0], made[1], made[1]], strict=True):
        pair = by_task(sample)["ti2v" if ask.prompt == "composed-image" else "tv2v"]
        reference = pair.query.image or pair.query.video
        assert reference is not None
        assert pair.target.video is not None
        assert ask.bound == (*shown(reference), *shown(pair.target.video))
        assert ask.facts["reference"] == len(shown(reference))
        assert ask.facts["target"] == len(shown(pair.target.video))
        assert ask.facts["camera"] == {"motion": "pan"}
        assert pair.relation in ask.slots.values()
        assert ask.slots["kinship"] == "Both are parts of one clip."
        assert ask.slots["kinship"] in ask.text
        assert ask.slots["caption"] == "A summary text."
        assert pair.query.text is not None
        assert pair.query.text.bound == digest_of_frames(ask.bound)
        # Within one clip the target comes after the reference and shows none of its pictures.
        last = pair.query.image.frame.time if pair.query.image else pair.query.video.end  # type: ignore[union-attr]
        assert pair.target.video.start >= last - 1e-9
        assert pair.provenance.models[0].request == ask.digest("scribe")


@pytest.mark.parametrize("length", [1.0, 3.9, 4.0, 6.0, 12.0, 20.0, 60.0])
def test_segments_keep_their_bounds(length: float) -> None:
    bench = Bench()
    seen = 0
    for name in (f"c{i}" for i in range(20)):
        (made,) = expand(bench, clip(bench, name, 5.0, 5.0 + length, record=name), tasks=("v2v", "tv2v", "ti2v"))
        for pair in made.pairs:
            sides = [pair.query.video] + ([pair.target.video] if pair.task != "v2v" else [])
            for video in (v for v in sides if v is not None):
                seen += 1
                seconds = video.end - video.start
                assert 2.0 - 1e-6 <= seconds <= min(10.0, 0.6 * length) + 1e-6
                assert 2 <= len(video.frames) <= N
                assert all(video.start <= f.time <= video.end for f in video.frames)
                assert video.start >= 5.0
                assert video.end <= 5.0 + length + 1e-6
    assert (seen > 0) == (length >= 4.0)


def test_a_segment_in_which_nothing_happens_is_no_query() -> None:
    """The first twelve pictures are one picture but for noise; then something small moves."""
    made: list[tuple[float, float]] = []
    for seed in range(30):
        bench = Bench()
        sample = clip(bench, f"still{seed}", 0.0, 16.0, record=f"still{seed}", stills=16)
        stills = bench.media.stills_of[f"still{seed}"]
        noise = np.random.default_rng(seed)
        stills.rgb[:] = 120 + noise.integers(-1, 2, stills.rgb.shape)
        for place in range(12, 16):
            stills.rgb[place, 12:20, 4 * place - 40 : 4 * place - 32] = 220
        made += [
            (pair.query.video.start, pair.query.video.end)
            for pair in expand(bench, sample, tasks=("v2v",))[0].pairs
            if pair.query.video
        ]
        stills.rgb[12:] = stills.rgb[:4]
        assert not expand(bench, sample, tasks=("v2v",))[0].pairs
    assert made and all(end > 12.0 for _, end in made)


def test_sibling_clips_are_targets_of_composed_pairs() -> None:
    bench = Bench()
    cuts = ((0, 6), (6, 12), (12, 18))
    samples = [told(clip(bench, f"{'s' * (i + 1)}", a, b)) for i, (a, b) in enumerate(cuts)]
    other = told(clip(bench, "x", record="other"))
    made = expand(bench, *samples, other)
    for sample in made[:2]:
        assert sample.clip is not None
        for task in ("ti2v", "tv2v"):
            pair = by_task(sample)[task]
            assert pair.target.video is not None
            assert pair.target.video.clip_id in {"s", "ss", "sss"} - {sample.clip.id}
            assert faults(pair) == ()
            if pair.relation == "continuation":
                assert pair.target.video.start >= sample.clip.end
    assert by_task(made[3])["tv2v"].target.video.clip_id == "x"  # type: ignore[union-attr]


def spoil(**change: Any) -> Callable[[Ask, Answer], Answer | Refusal]:
    def act(ask: Ask, answer: Answer) -> Answer | Refusal:
        if "refuse" in change:
            return Refusal(answer.request, "answer-schema")
        if "bound" in change:
            return Answer(answer.request, answer.value, answer.model, bound=change["bound"])
        value = change.get("value", {**answer.value, **change})
        return Answer(answer.request, value, answer.model, bound=answer.bound)

    return act


@pytest.mark.parametrize(
    "change",
    [
        {"refuse": True}, {"bound": ("other",)}, {"bound": ()}, {"query": ""}, {"query": "  "}, {"query": "two words"},
        {"query": 7}, {"query": "word " * 51}, {"value": "text"}, {"value": {}}, {"strategy": "x", "relation": "x"},
        {"strategy": ["relational"], "relation": 3},
    ],
)  # fmt: skip
def test_a_useless_answer_makes_no_pair(change: dict[str, Any]) -> None:
    bench = Bench(Scribe(spoil(**change)))
    (made,) = expand(bench, told(clip(bench)))
    assert {p.task for p in made.pairs} == set(TASKS) - {"ti2v", "tv2v"}
    assert made.measures["expand.refused"] == 2


def test_word_limits_of_the_two_composed_tasks_differ() -> None:
    bench = Bench(Scribe(spoil(query=" ".join(f"word{i}" for i in range(16)))))
    (made,) = expand(bench, told(clip(bench)))
    assert {"ti2v", "tv2v"} & {p.task for p in made.pairs} == {"ti2v"}
    assert by_task(made)["ti2v"].query.text.text == " ".join(f"word{i}" for i in range(16))  # type: ignore[union-attr]


def test_texts_bound_to_other_pictures_are_not_used() -> None:
    bench = Bench()
    sample = told(clip(bench))
    strange = tuple(c.model_copy(update={"bound": "0" * 64}) if c.origin == "model" else c for c in sample.captions)
    (made,) = expand(bench, sample.having(captions=strange))
    assert by_task(made)["t2v"].query.text.text == "A raw text."  # type: ignore[union-attr]
    assert not {"t2i", "t2t"} & {p.task for p in made.pairs}
    shifted = tuple(c.model_copy(update={"frame": 6}) if c.frame is not None else c for c in sample.captions)
    (made,) = expand(bench, sample.having(captions=shifted))
    assert "t2i" not in by_task(made)


def test_contradicted_empty_and_repeated_captions_are_not_used() -> None:
    bench = Bench()
    bare = clip(bench)
    captions = (
        Caption(text="False.", verdicts={"red": "contradicted"}), Caption(text=" "), Caption(text="One  text"),
        Caption(text="one text"), Caption(text="Zero weight", style="partial"),
    )  # fmt: skip
    weights = {"raw": 1.0, "partial": 0.0}
    (made,) = expand(bench, bare.having(captions=captions), t2v_per_clip=9, t2t_per_clip=9, weights=weights)
    assert [p.query.text.text for p in made.pairs if p.task == "t2v"] == ["One  text"]  # type: ignore[union-attr]
    assert "t2t" not in by_task(made)


def test_counts_per_clip() -> None:
    bench = Bench()
    (made,) = expand(bench, told(clip(bench)), t2v_per_clip=3, t2t_per_clip=4)
    texts = {p.query.text.text for p in made.pairs if p.task == "t2v"}  # type: ignore[union-attr]
    couples = [{p.query.text.text, p.target.text.text} for p in made.pairs if p.task == "t2t"]  # type: ignore[union-attr]
    assert len(texts) == 3
    assert len(couples) == 3  # three captions are left: three couples
    assert all(len(couple) == 2 and not couple & texts for couple in couples)


def test_captions_that_say_the_same_are_no_couple_or_come_last() -> None:
    bench = Bench()
    texts = ("A dog runs on grass.", "A dog runs on grass. It is day.", "A dog runs on snow.", "Something green moves.")
    for name in "abcdefgh":
        bare = clip(bench, name)
        captions = tuple(Caption(text=t) for t in texts)
        (made,) = expand(bench, bare.having(captions=captions), t2v_per_clip=0, tasks=("t2t",), t2t_per_clip=9)
        couples = [{p.query.text.text, p.target.text.text} for p in made.pairs]  # type: ignore[union-attr]
        assert set(texts[:2]) not in couples
        assert len(couples) == 5
        (made,) = expand(bench, bare.having(captions=captions), t2v_per_clip=0, tasks=("t2t",))
        assert texts[3] in {p.query.text.text for p in made.pairs} | {p.target.text.text for p in made.pairs}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("style", "emphasis", "domain"),
    [
        ("raw", None, "cg"), ("abstract", "spatial", "cg"), ("summary", "spatial", "s"), ("summary", "temporal", "t"),
        ("summary", "topical", "cg"), ("summary", None, "cg"), ("dense", "temporal", "lc"),
        ("keywords", "spatial", "pr"), ("partial", "temporal", "pr"),
    ],
)  # fmt: skip
def test_domain_follows_from_how_the_pair_was_made(style: Any, emphasis: Any, domain: str) -> None:
    bench = Bench()
    bare = clip(bench)
    bound = digest_of_frames(f.digest for f in bare.frames[::2])
    caption = Caption(text="It moves.", origin="model", style=style, emphasis=emphasis, bound=bound)
    (made,) = expand(bench, bare.having(captions=(caption,)), tasks=("t2v",))
    (pair,) = made.pairs
    assert (pair.domain, pair.style, pair.emphasis) == (domain, style, emphasis)


def test_black_pictures_stand_in_no_pair() -> None:
    bench = Bench()
    (made,) = expand(bench, told(clip(bench, black=range(16))))
    assert made.pairs == ()
    # Pictures 0..5 are black: neither key frame, nor described still, nor reference.
    sample = told(clip(bench, black=range(6)))
    (made,) = expand(bench, sample)
    assert "t2i" not in by_task(made)
    assert "i2v" not in by_task(made)
    (made,) = expand(bench, sample.having(key_frames=()))
    assert by_task(made)["i2v"].query.image.frame.index in (7, 9)  # type: ignore[union-attr]
    reference = by_task(made)["ti2v"].query.image
    assert reference is not None
    assert reference.frame.index >= 6


def test_the_query_picture_of_i2v_is_not_shown_by_the_target_where_that_can_be() -> None:
    bench = Bench()
    sample = clip(bench)
    for keys, wanted in (((), 7), ((4, 2, 9), 9), ((4, 2), 4), ((3,), 3), ((99,), 7)):
        (made,) = expand(bench, sample.having(key_frames=keys), tasks=("i2v",))
        assert made.pairs[0].query.image.frame.index == wanted  # type: ignore[union-attr]


def test_same_input_same_pairs_whatever_comes_beside_it() -> None:
    bench = Bench()
    one, other = told(clip(bench, "a", record="r1")), told(clip(bench, "bb", record="r2"))
    together = expand(bench, one, other)
    again = expand(bench, other, one)
    assert together == again[::-1]
    assert expand(bench, one) == together[:1]
    fewer = expand(bench, one, tasks=("tv2v", "t2v"))[0]
    assert {p.id for p in fewer.pairs} == {p.id for p in together[0].pairs if p.task in ("tv2v", "t2v")}


def test_ids_follow_from_content_alone() -> None:
    bench = Bench()
    sample = told(clip(bench))
    (made,) = expand(bench, sample)
    moved = tuple(f.model_copy(update={"offset": 0}) for f in sample.frames)
    (again,) = expand(bench, sample.having(frames=moved, frames_object="elsewhere", measures={"quality.sharpness": 1}))
    assert [p.id for p in made.pairs] == [p.id for p in again.pairs]
    assert len({p.id for p in made.pairs}) == 7


def test_pictures_that_are_not_stored_yet_are_named_all_the_same() -> None:
    bench = Bench()
    sample = told(clip(bench))
    (made,) = expand(bench, sample)
    (early,) = expand(bench, sample.having(frames=(), frames_digest="", frames_object=""))
    assert [p.id for p in early.pairs] == [p.id for p in made.pairs]
    assert early.frames_digest == sample.frames_digest
    assert {f.offset for f in early.frames} == {-1}


def test_bad_samples_harm_no_neighbours() -> None:
    bench = Bench()
    first, second, third = (told(clip(bench, "s" * i, 6.0 * i, 6.0 * i + 6)) for i in (1, 2, 3))
    bench.media.broken.add("ss")
    blank = Sample(source=Source(record_id="z", uri="z.mp4"))
    outcomes = Expand(ExpandConfig())([first, second, third, blank], bench)
    kept = [o.sample for o in outcomes if isinstance(o, Keep)]
    assert outcomes[1] == Drop("unreadable", "gone", second.measures)
    assert by_task(kept[0])["ti2v"].target.video.clip_id == "sss"  # type: ignore[union-attr]
    assert kept[2].pairs == ()
    lied = first.having(frames=first.frames[::-1])
    with pytest.raises(ValueError, match="not those"):
        Expand(ExpandConfig())([lied], bench)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9, 13, 16])
def test_clips_with_fewer_pictures_still_make_pairs(count: int) -> None:
    bench = Bench()
    (made,) = expand(bench, clip(bench, stills=count).having(captions=(Caption(text="A text."),)))
    for pair in made.pairs:
        assert faults(pair) == ()
    video = by_task(made)["t2v"].target.video
    assert video is not None
    assert len(video.frames) == min(N, count)
    assert [f.index for f in video.frames] == list(uniform(count, N))


@pytest.mark.parametrize(
    "config",
    [
        {"segment_min": 9.0, "segment_max": 3.0}, {"relation_words": (9, 5)}, {"weights": {"raw": -1.0}},
        {"tasks": ("x2v",)}, {"segment_share": 1.0}, {"odd": 1},
    ],
)  # fmt: skip
def test_wrong_parameters_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        ExpandConfig(**config)


def shots(bench: Bench, number: int = 2, **facts: Any) -> list[Sample]:
    """The shots of one video, of which one caption speaks."""
    made = []
    for place in range(number):
        one = clip(bench, "s" * (place + 1), 10.0 * place, 10.0 * place + 8)
        told_of = one.clip.model_copy(update={"place": place, "of": number}) if one.clip else None
        caption = Caption(text="A red kite rises, then a blue boat sails past.", origin="human")
        made.append(one.having(clip=told_of, captions=(caption,), facts={"caption_scope": "video", **facts}))
    return made


def test_a_caption_of_a_cut_video_goes_with_the_whole_of_it() -> None:
    bench = Bench()
    first, second = expand(bench, *shots(bench))
    (whole,) = [pair for pair in first.pairs if pair.relation == "whole"]
    assert (whole.task, whole.domain, whole.style) == ("t2v", "lc", "raw")
    video = whole.target.video
    assert video and (video.start, video.end, len(video.frames)) == (0.0, 18.0, N)
    assert [frame.time for frame in video.frames] == sorted(frame.time for frame in video.frames)
    assert video.frames[0].time < 8 < 10 < video.frames[-1].time
    assert not faults(whole)
    assert not [pair for pair in second.pairs if pair.relation == "whole"]


def test_a_caption_of_a_cut_video_stands_beside_a_shot_only_where_nothing_else_does() -> None:
    bench = Bench()
    first, _ = expand(bench, *shots(bench))
    (alone,) = [pair for pair in first.pairs if pair.task == "t2v" and not pair.relation]
    assert alone.query.text and alone.target.video
    told = Caption(text="A red kite is in the air.", style="summary", origin="model", bound=alone.target.video.digest)
    for scope, texts in (("video", {told.text}), ("clip", {told.text, alone.query.text.text})):
        one, other = shots(bench, caption_scope=scope)
        made, _ = expand(bench, one.having(captions=(*one.captions, told)), other, t2v_per_clip=5, focus_per_clip=0)
        assert {pair.query.text.text for pair in made.pairs if pair.query.text and pair.task == "t2v"} == texts


def test_a_video_of_which_a_shot_is_gone_or_that_was_not_cut_is_no_whole() -> None:
    bench = Bench()
    (first,) = expand(bench, shots(bench)[0])
    assert not [pair for pair in first.pairs if pair.relation == "whole"]
    for one in expand(bench, *shots(bench, caption_scope="clip")):
        assert not [pair for pair in one.pairs if pair.relation == "whole"]


def test_a_part_of_a_caption_makes_a_further_pair_and_false_texts_stand_with_it() -> None:
    bench = Bench()
    caption = Caption(text="A chef cuts an onion before a waiter carries a tray to a guest.", origin="human")
    (made,) = expand(bench, clip(bench).having(captions=(caption,)))
    one, part = sorted((pair for pair in made.pairs if pair.task == "t2v"), key=lambda pair: pair.relation)
    assert one.negatives == (
        {"kind": "reversed-order", "negative_text": "A waiter carries a tray to a guest, then a chef cuts an onion."},
    )
    assert (part.relation, part.domain, part.style) == ("event", "pr", "partial")
    assert part.query.text and part.query.text.text in ("A chef cuts an onion.", "A waiter carries a tray to a guest.")
    assert not faults(part) and not part.negatives
    (none,) = expand(bench, clip(bench).having(captions=(caption,)), focus_per_clip=0)
    assert len([pair for pair in none.pairs if pair.task == "t2v"]) == 1


def beside(bench: Bench, own: Sample, *others: tuple[Sample, str]) -> Sample:
    """A clip with partners."""
    partners = [[other.key, kind, 1.0] for other, kind in others]
    return own.having(beside=tuple(other for other, _ in others), facts={"partners": partners})


def test_a_composed_pair_leads_to_a_partner_and_names_both_sources() -> None:
    bench = Bench()
    other = clip(bench, "bb", 50.0, 58.0, record="other")
    other = other.having(source=Source(record_id="other", uri="other.mp4", licence="CC0-1.0"), frames_object="far")
    (made,) = expand(bench, beside(bench, clip(bench), (other, "scene")), elsewhere=1.0)
    for task in ("ti2v", "tv2v"):
        pair = by_task(made)[task]
        assert (pair.kinship, pair.licence, pair.source_uri) == ("scene", "CC0-1.0", "other.mp4")
        assert (pair.query_licence, pair.query_source_uri) == ("CC-BY-4.0", "rec.mp4")
        assert pair.relation != "continuation" and pair.drawn in COMPOSED[pair.task].kinds
        assert pair.target.video and pair.target.video.clip_id == "bb" and pair.target.video.frames_object == "far"
        assert not faults(pair)
    assert made.beside == ()
    asked = [ask for batch in bench.vlm.batches for ask in batch]
    assert {ask.facts["kinship"] for ask in asked} == {"scene"}


def test_without_partners_or_where_one_cannot_be_read_the_clip_is_its_own() -> None:
    bench = Bench()
    other = clip(bench, "bb", 50.0, 58.0, record="other")
    own = beside(bench, clip(bench), (other, "scene"))
    (never,) = expand(bench, own, elsewhere=0.0)
    assert by_task(never)["ti2v"].kinship == "part"
    bench.media.broken.add("bb")
    (gone,) = expand(bench, own, elsewhere=1.0)
    assert by_task(gone)["ti2v"].kinship == "part"


def test_a_segment_does_not_cross_a_cut() -> None:
    bench = Bench()
    for start in range(6):
        (made,) = expand(bench, clip(bench, start=float(start), end=start + 8.0).having(facts={"cuts": [4.0]}))
        for pair in (pair for pair in made.pairs if pair.task == "v2v"):
            video = pair.query.video
            assert video and (video.end <= start + 4.0 or video.start >= start + 4.0)
