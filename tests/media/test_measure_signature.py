from __future__ import annotations

import cv2
import numpy as np
import pytest

from synflow.media.hashes import Edit, hashes, telling
from synflow.media.likeness import Likeness, Seen, compare_all
from synflow.media.likeness import compare as compare_seen
from synflow.media.matching import in_order
from synflow.media.signature import MOST, STILL, Signature, pack, signature, track, unpack, unpack_all

FPS = 25


def scene(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = cv2.resize(rng.random((7, 12)).astype(np.float32), (160, 90), interpolation=cv2.INTER_CUBIC)
    return np.clip(40 + 170 * rough, 0, 255)


def film(background: int = 1, motion: int = 1, seconds: float = 4.0) -> np.ndarray:
    """Two things that wander over a scene; ``motion`` says how."""
    rng = np.random.default_rng(100 + motion)
    turns = rng.uniform(0.4, 1.6, 4)
    starts = rng.uniform(0, 6, 4)
    pictures = np.repeat(scene(background)[None], round(seconds * FPS), axis=0)
    for place, picture in enumerate(pictures):
        for thing, tone in ((0, 250), (2, 15)):
            x = 70 + 60 * np.sin(turns[thing] * place / FPS + starts[thing])
            y = 40 + 30 * np.sin(turns[thing + 1] * place / FPS + starts[thing + 1])
            cv2.circle(picture, (round(x), round(y)), 13, tone, -1)
    return np.asarray(pictures, np.uint8)


def prints(pictures: np.ndarray, fps: float = FPS) -> Signature:
    return signature(np.arange(len(pictures)) / fps, pictures)


def compare(one: Signature, other: Signature) -> Likeness:
    return compare_seen(Seen.of(one), Seen.of(other))


def each(pictures: np.ndarray, change) -> np.ndarray:
    return np.stack([np.clip(change(picture), 0, 255).astype(np.uint8) for picture in pictures])


def logo(picture: np.ndarray) -> np.ndarray:
    picture = picture.copy()
    cv2.putText(picture, "LOGO", (112, 14), cv2.FONT_HERSHEY_PLAIN, 1.0, 255, 2)
    return picture


def letterbox(picture: np.ndarray) -> np.ndarray:
    out = np.full((120, 160), 16, np.uint8)
    out[15:105] = picture
    return out


def marked_letterbox(picture: np.ndarray) -> np.ndarray:
    out = letterbox(picture)
    out[108:117, 120:155] = 235
    return out


def boxed_letterbox(picture: np.ndarray) -> np.ndarray:
    out = np.full((150, 200), 110, np.uint8)
    out[12:132, 24:184] = letterbox(picture)
    return out


def box(picture: np.ndarray) -> np.ndarray:
    picture = picture.copy()
    picture[70:84, 16:60] = 16
    return picture


def squeezed(picture: np.ndarray) -> np.ndarray:
    small = cv2.resize(picture, (80, 46), interpolation=cv2.INTER_AREA)
    return cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], cv2.IMREAD_GRAYSCALE)


def squeezed_back(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(squeezed(picture), (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_LINEAR)


COPIES = {
    "same": lambda f: f,
    "small and squeezed": lambda f: each(f, squeezed),
    "cropped": lambda f: f[:, 5:-4, 8:-8],
    "mirrored": lambda f: f[:, :, ::-1],
    "mirrored and cropped": lambda f: f[:, 5:-4, 8:-8][:, :, ::-1],
    "cropped at a corner": lambda f: f[:, :81, 16:],
    "letterboxed with a mark in the bar": lambda f: each(f, marked_letterbox),
    "with a box": lambda f: each(f, box),
    "letterboxed": lambda f: each(f, letterbox),
    "letterboxed, and put into a box": lambda f: each(f, boxed_letterbox),
    "with a logo": lambda f: each(f, logo),
    "brighter": lambda f: each(f, lambda p: 1.15 * p.astype(float) + 15),
    "faster": lambda f: f[(np.arange(int(len(f) / 1.25)) * 1.25).astype(int)],
    "an excerpt": lambda f: f[35:85],
    "fewer pictures": lambda f: f[::3].repeat(3, axis=0),
    "noisy": lambda f: each(f, lambda p: p + np.random.default_rng(1).normal(0, 8, p.shape)),
}


@pytest.mark.parametrize("edit", COPIES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_copies_are_found(edit: str, seed: int):
    original = film(seed, seed)
    likeness = compare(prints(original), prints(np.ascontiguousarray(COPIES[edit](original))))
    assert likeness.copy, likeness


def panned(seed: int, seconds: float = 6.0) -> np.ndarray:
    """A camera that goes over a wide scene and back, so that a part of one moment looks like the whole of another."""
    rng = np.random.default_rng(seed)
    wide = cv2.resize(rng.random((9, 26)).astype(np.float32), (480, 150), interpolation=cv2.INTER_CUBIC)
    wide = np.clip(40 + 170 * wide, 0, 255).astype(np.uint8)
    out = []
    for place in range(round(seconds * FPS)):
        x = round(160 + 120 * np.sin(1.3 * place / FPS + seed))
        y = round(30 + 25 * np.sin(2.1 * place / FPS))
        out.append(wide[y : y + 90, x : x + 160])
    return np.stack(out)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("corner", [(slice(None, 81), slice(16, None)), (slice(9, None), slice(None, 144))])
def test_a_corner_of_what_a_moving_camera_sees_is_found(seed: int, corner: tuple[slice, slice]):
    original = panned(seed)
    likeness = compare(prints(original), prints(np.ascontiguousarray(original[:, corner[0], corner[1]])))
    assert likeness.copy, likeness
    assert not compare(prints(original), prints(panned(seed + 10))).copy


def fidgeting(seed: int, seconds: float = 8.0) -> np.ndarray:
    """One small thing that moves a little in a scene that stands."""
    rng = np.random.default_rng(200 + seed)
    path = np.cumsum(rng.normal(0, 1, (round(seconds * 4) + 2, 2)), axis=0)
    pictures = np.repeat(scene(seed)[None], round(seconds * FPS), axis=0)
    for place, picture in enumerate(pictures):
        step, share = divmod(4 * place / FPS, 1.0)
        x, y = (1 - share) * path[int(step)] + share * path[int(step) + 1]
        cv2.circle(picture, (round(80 + 9 * float(np.tanh(x))), round(45 + 7 * float(np.tanh(y)))), 9, 245, -1)
    return np.asarray(pictures, np.uint8)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_of_a_clip_in_which_little_moves_the_course_is_kept_too(seed: int):
    original = fidgeting(seed)
    whole = prints(original)
    assert whole.detail is None and len(whole.thumbs) >= 16
    for begin, end in ((0.0, 0.5), (0.3, 0.7), (0.66, 1.0)):
        likeness = compare(whole, prints(original[round(begin * len(original)) : round(end * len(original))]))
        assert likeness.copy, (begin, likeness)


def faded(pictures: np.ndarray, seed: int, out: bool) -> np.ndarray:
    """The film with a second of black and a second of fade before it, or after it; black is never quite black."""
    count = FPS
    rise = np.concatenate([np.zeros(count), np.linspace(0, 1, count), np.ones(len(pictures) - 2 * count)])
    rise = rise[::-1] if out else rise
    noise = np.random.default_rng(seed).normal(0, 0.7, pictures.shape)
    return np.clip(16 + (pictures - 16.0) * rise[:, None, None] + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("out", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_copies_are_found_although_they_are_black_for_a_while(seed: int, out: bool):
    one, other = faded(film(seed, seed), 7, out), faded(each(film(seed, seed), squeezed_back), 8, out)
    likeness = compare(prints(one), prints(other))
    assert likeness.copy, likeness
    strange = compare(prints(one), prints(faded(film(seed + 1, seed), 8, out)))
    assert not strange.copy, strange


def test_two_clips_that_are_all_black_but_for_a_moment_are_no_copies():
    dark = [np.full((4 * FPS, 90, 160), 16, np.uint8) for _ in range(2)]
    for seed, pictures in enumerate(dark):
        pictures[30:36] = film(seed + 1, seed)[30:36]
    assert not compare(prints(dark[0]), prints(dark[1])).copy


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_another_take_of_the_same_scene_is_no_copy(seed: int):
    likeness = compare(prints(film(seed, 1)), prints(film(seed, 2)))
    assert not likeness.copy
    assert likeness.change < 0.7


def test_another_scene_is_no_copy():
    assert not compare(prints(film(1, 1)), prints(film(2, 1))).copy


def test_the_same_played_backwards_is_no_copy():
    assert not compare(prints(film(1, 1)), prints(film(1, 1)[::-1])).copy


def test_many_pairs_at_once_are_told_as_each_by_itself(monkeypatch: pytest.MonkeyPatch):
    """Clips of many lengths, with and without motion, alike and not, mirrored and cropped."""
    lengths = (3, 8, 24, 100)
    clips = [film(seed, seed)[:length] for seed in (1, 2) for length in lengths]
    clips += [np.ascontiguousarray(film(1, 1)[:, 5:-4, 8:-8][:, :, ::-1]), film(1, 2), *SLIDES[:2]]
    found = [prints(one) for one in clips] + [track(np.arange(1000) / FPS, film(seconds=40))]
    seen = Seen.all(found)
    pairs = [(one, other) for one in seen for other in seen]
    single = [compare_seen(*pair) for pair in pairs]
    assert {one.copy for one in single} == {True, False}
    for batch in (3072, 100, 1):
        monkeypatch.setattr("synflow.media.likeness.BATCH", batch)
        for alone, together in zip(single, compare_all(pairs), strict=True):
            assert together.copy == alone.copy
            assert together.alike == pytest.approx(alone.alike, abs=1e-4)
            assert together.change == pytest.approx(alone.change, abs=1e-4)
    assert compare_all([]) == []


def test_a_path_in_order_is_the_best_there_is():
    """Against the recurrence, written out cell by cell."""
    likeness = np.random.default_rng(3).random((20, 6, 9)).astype(np.float32)
    for one, path in zip(likeness, in_order(likeness), strict=True):
        best = np.full((6, 9), -np.inf)
        for row in range(6):
            for column in range(9):
                best[row, column] = one[row, column] + (best[row - 1, : column + 1].max() if row else 0)
        assert (np.diff(path) >= 0).all()
        assert one[np.arange(6), path].sum() == pytest.approx(best[-1].max(), abs=1e-5)


def slide(title: str, *lines: str) -> np.ndarray:
    """A slide of one template: a coloured head with the title, bullets under it, a logo."""
    picture = np.full((360, 640), 240, np.uint8)
    picture[:70] = 60
    cv2.circle(picture, (590, 320), 25, 90, -1)
    cv2.putText(picture, title, (30, 50), cv2.FONT_HERSHEY_SIMPLEX, 1.4, 250, 3)
    for number, line in enumerate(lines):
        cv2.putText(picture, "- " + line, (50, 130 + 50 * number), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 20, 2)
    return np.repeat(cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA)[None], 60, axis=0)


SLIDES = [
    slide("Retrieval", "text to video", "video to video", "image to video"),
    slide("Training data", "weak captions", "synthesis", "quality filters"),
    slide("Results", "higher recall", "at lower cost", "on all sixteen sets"),
    slide("Questions", "is it cheap", "is it open"),
]


def test_slides_of_one_template_are_no_copies():
    found = [prints(one) for one in SLIDES]
    assert all(one.detail is not None for one in found)
    assert [(a, b) for a in range(4) for b in range(a) if compare(found[a], found[b]).copy] == []


@pytest.mark.parametrize("edit", ["same", "cropped", "mirrored", "letterboxed", "brighter", "an excerpt"])
def test_copies_of_slides_are_found(edit: str):
    copy = np.ascontiguousarray(COPIES[edit](SLIDES[0]))
    assert compare(prints(SLIDES[0]), prints(copy)).copy


def test_two_clips_without_motion_are_copies_only_if_they_look_the_same():
    one = np.repeat(scene(1)[None], 60, axis=0).astype(np.uint8)
    other = one.copy()
    other[:, 20:60, 40:90] = 128
    assert compare(prints(one), prints(each(one, squeezed))).copy
    assert not compare(prints(one), prints(other)).copy


def test_a_still_moment_is_no_copy_of_another_moment_of_a_moving_clip():
    pictures = film(1, 1)
    assert not compare(
        prints(pictures[:20].repeat(3, axis=0)), prints(np.repeat(scene(1)[None], 60, 0).astype(np.uint8))
    ).copy


@pytest.mark.parametrize("pictures", [film(), SLIDES[0]], ids=["motion", "still"])
def test_a_fingerprint_survives_as_text(pictures: np.ndarray):
    found = prints(pictures)
    again = unpack(pack(found))
    assert np.array_equal(again.thumbs, found.thumbs)
    assert (again.detail is None) == (found.detail is None)
    if found.detail is not None:
        assert np.array_equal(again.detail, found.detail)
    assert len(pack(found)) <= MOST * 144 + 1100


def test_many_fingerprints_are_read_as_each_by_itself():
    texts = [pack(prints(one)) for one in (film(), SLIDES[0], film(2)[:9], film(1)[:1])]
    for text, found in zip(texts, unpack_all(texts), strict=True):
        assert pack(found) == text
    with pytest.raises(ValueError, match="no fingerprint"):
        unpack_all([*texts, "AAAA"])


def test_few_pictures_are_kept_of_what_changes_little():
    slow, quick = film(seconds=8)[::6].repeat(6, axis=0), film(seconds=8)
    assert len(prints(SLIDES[0]).thumbs) == STILL
    assert len(prints(slow[:50]).thumbs) < len(prints(quick).thumbs) <= MOST


@pytest.mark.parametrize("seed", range(6))
def test_it_does_not_matter_which_pictures_were_looked_at(seed: int):
    pictures = film(seed, 40 + seed, 6.0)[::2]  # twice as fast
    times = np.arange(len(pictures)) / FPS
    some = np.flatnonzero(np.arange(len(pictures)) % 5 % 3 == 0)  # gaps of two and three pictures in turn
    whole, sparse = signature(times, pictures), signature(times[some], pictures[some])
    found = compare(whole, sparse)
    assert found.copy and found.change > 0.95, found


def test_a_track_of_a_long_video_holds_any_part_of_it():
    pictures = film(seconds=40)
    whole = track(np.arange(len(pictures)) / FPS, pictures)
    assert len(whole.thumbs) > MOST
    assert compare(whole, prints(pictures[700:800])).copy


@pytest.mark.parametrize("text", ["", "AAAA", "not base64 at all!"])
def test_what_is_no_fingerprint_is_refused(text: str):
    with pytest.raises(ValueError, match=r".+"):
        unpack(text)


def test_the_hash_of_a_mirrored_picture_is_known_from_the_picture():
    plain, turned = prints(film()), prints(np.ascontiguousarray(film()[:, :, ::-1]))
    known, seen = hashes(plain.thumbs, Edit(mirrored=True)), hashes(turned.thumbs)
    assert max(int(a ^ b).bit_count() for a, b in zip(known, seen, strict=True)) <= 6


def test_a_black_picture_tells_nothing():
    black = np.zeros((30, 90, 160), np.uint8)
    assert not telling(hashes(prints(black).thumbs)).any()
    assert telling(hashes(prints(film()).thumbs)).all()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_clips_of_few_pictures_have_a_fingerprint(count: int):
    assert len(signature(np.arange(count) / 4, film()[:count]).thumbs) == count
