from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from embedder_conformance import EmbedderConformance

from synflow.asks import Item, Picture
from synflow.claims import CLAIMS, claims_of
from synflow.ids import digest
from synflow.models.signals.embedder import DIM, SATURATED, SignalsEmbedder

Rgb = npt.NDArray[np.uint8]
SHOWN = {
    "red": (200, 30, 30), "orange": (240, 140, 20), "yellow": (240, 220, 40), "green": (40, 160, 60),
    "blue": (40, 80, 200), "purple": (130, 50, 160), "pink": (240, 130, 190), "brown": (110, 70, 35),
    "black": (8, 8, 8), "white": (250, 250, 250),
}  # fmt: skip


def canvas(color: tuple[int, int, int] = (128, 128, 128)) -> Rgb:
    return np.full((90, 160, 3), color, np.uint8)


def spot(color: str, back: tuple[int, int, int] = (128, 128, 128)) -> Rgb:
    """A picture of one colour with a spot of another: 2 % of its pixels."""
    picture = canvas(back)
    cv2.circle(picture, (80, 45), 10, SHOWN[color], -1)
    return picture


class TestConformance(EmbedderConformance):
    @pytest.fixture
    def embedder(self) -> SignalsEmbedder:
        return SignalsEmbedder()


def jpeg(rgb: Rgb) -> Picture:
    data = cv2.imencode(".jpg", rgb[..., ::-1])[1].tobytes()
    return Picture(data, digest(data), 0.0)


def score(text: str, *pictures: Rgb) -> float | None:
    told, seen = SignalsEmbedder().embed([Item(text=text), Item(pictures=tuple(jpeg(p) for p in pictures))])
    assert seen.values is not None
    assert seen.values.shape == (DIM,)
    assert abs(float(np.linalg.norm(seen.values)) - 1) < 1e-6
    if told.values is None:
        return None
    assert abs(float(np.linalg.norm(told.values)) - 1) < 1e-6
    return float(told.values @ seen.values)


@pytest.mark.parametrize("color", SHOWN)
def test_a_small_spot_supports_its_colour(color: str) -> None:
    assert score(f"A {color} ball rolls away.", canvas(), spot(color)) == pytest.approx(SATURATED, abs=1e-6)


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [("red", "blue"), ("red", "green"), ("green", "red"), ("blue", "yellow"), ("yellow", "purple"), ("purple", "green"),
     ("pink", "green"), ("orange", "blue"), ("brown", "blue"), ("blue", "orange"), ("white", "black")],
)  # fmt: skip
def test_a_colour_that_is_nowhere_contradicts(claimed: str, shown: str) -> None:
    back = (20, 20, 20) if claimed == "white" else (128, 128, 128)
    given = score(f"A {claimed} ball rolls away.", canvas(back), spot(shown, back))
    assert given is not None
    assert given < SATURATED - 0.1


def test_the_score_does_not_depend_on_which_claims_are_supported() -> None:
    pictures = [spot(c) for c in SHOWN]
    texts = ["A red car.", "A red car and a blue bus.", "A white cat, a black dog, a green ball and a pink bow."]
    assert [score(t, *pictures) for t in texts] == pytest.approx([SATURATED] * 3, abs=1e-6)


def test_each_contradicted_claim_costs() -> None:
    grey = canvas()
    one = score("A red car beside a white wall.", grey, spot("white"))
    two = score("A red car beside a green wall.", grey, spot("white"))
    assert one is not None and two is not None
    assert two < one < SATURATED - 0.05


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("In black and white, a man walks.", canvas(), spot("red", (40, 80, 200))),
        ("A street at night.", canvas((15, 15, 20)), canvas((200, 210, 220))),
        ("A sunny beach.", canvas((220, 220, 200)), canvas((12, 12, 12))),
        ("A fox walks through the snow.", canvas((235, 238, 240)), canvas((60, 110, 40))),
        ("A diver swims underwater.", canvas((20, 90, 140)), canvas((170, 110, 60))),
    ],
)
def test_light_and_places(text: str, good: Rgb, bad: Rgb) -> None:
    assert score(text, good) == pytest.approx(SATURATED, abs=1e-6)
    worse = score(text, bad)
    assert worse is not None
    assert worse < SATURATED - 0.1


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("A man in an orange T-shirt opens a glass door.", ("orange",)),
        ("A brown-and-white dog trails a leash.", ("brown", "white")),
        ("A large green valley with eroded red hills", ("red", "green")),
        ("a girl in a blue jacket with dark red make-up", ("red", "blue")),
        ("In a black-and-white silent-film scene a man talks.", ("colourless",)),
        ("A black-and-white rabbit nibbles.", ("black", "white")),
        ("in black and white, a red flower opens", ("colourless",)),
        ("A RED CAR DRIVES", ("red",)),
        ("A rocket lifts off at night", ("dark",)),
        ("A snowy slope under a blue sky on a sunny day.", ("blue", "sunny", "snow")),
        ("A snowboarder in a yellow jacket.", ("yellow",)),
        # What looks otherwise than the word says, or is a name, claims nothing.
        ("A glass of white wine and red wine.", ()),
        ("A woman with brown hair and green eyes.", ()),
        ("A black man talks to two white women.", ()),
        ("Two black and white people talk.", ()),
        ("A crowd of black and brown men.", ()),
        ("Mr Brown visits Green Bay.", ()),
        ("The Red Hot Chili Peppers play.", ()),
        ("a goldfish in a greenhouse beside a blackboard", ()),
        ("orange juice is poured", ()),
        ("An orange-tinted evening sky", ()),
        ("There is no red on the table, nor any blue.", ()),
        ("to make the sign for 'night'", ()),
        ("A bullet list titled \u201cRed list\u201d stays.", ()),
        ("People dance in a nightclub.", ()),
        ("a dark room", ()),
        ("", ()),
        ("A dog runs.", ()),
    ],
)
def test_claims_of_a_text(text: str, claims: tuple[str, ...]) -> None:
    assert claims_of(text) == claims
    assert set(claims) <= set(CLAIMS)


def test_abstains_where_nothing_can_be_compared() -> None:
    embedder = SignalsEmbedder()
    spoilt = Picture(b"no jpeg", "x", 0.0)
    items = [
        Item(text="A dog."),
        Item(text=""),
        Item(pictures=(spoilt,)),
        Item(pictures=(Picture(b"", "y", 0.0),)),
        Item(),
    ]
    vectors = embedder.embed(items)
    assert [v.values for v in vectors] == [None] * 5
    assert vectors[2].bound == ("x",)
    both = Item(text="A red ball.", pictures=(jpeg(spot("red")),))
    (joint,) = embedder.embed([both])
    assert joint.values is not None
    assert abs(float(np.linalg.norm(joint.values)) - 1) < 1e-6
    assert joint.bound == (both.pictures[0].digest,)


def test_same_input_same_bytes_whatever_comes_beside_it() -> None:
    embedder = SignalsEmbedder()
    items = [Item(text="A red ball."), Item(pictures=(jpeg(spot("red")), jpeg(spot("blue"))))]
    alone = [embedder.embed([item])[0].values for item in items]
    for one, other in zip(alone, embedder.embed(items), strict=True):
        assert one is not None and other.values is not None
        assert one.tobytes() == other.values.tobytes()
        assert one.dtype == np.float32


def test_pixels_at_hand_are_looked_at_instead_of_the_jpeg() -> None:
    shown = spot("red")
    given = jpeg(shown)
    told, decoded, at_hand = SignalsEmbedder().embed(
        [
            Item(text="A red ball."),
            Item(pictures=(given,)),
            Item(pictures=(Picture(b"", given.digest, 0.0, shown),)),
        ]
    )
    assert told.values is not None and decoded.values is not None and at_hand.values is not None
    assert float(told.values @ decoded.values) == pytest.approx(float(told.values @ at_hand.values), abs=1e-6)
    assert at_hand.bound == decoded.bound == (given.digest,)


@pytest.mark.parametrize(
    "text",
    [
        "The Red Sox win.", "People pray in the Blue Mosque.", "shoppers on black friday", "a fan of the red sox",
        "He is green with envy.", "Out of the blue a dog barks.", "They are in the red.", "A car as red as a rose.",
        "It looks like a red balloon.", "The wall is not red.", "a room without green plants", "red as a rose",
        "Instead of the blue ball he takes another.", "She wants to paint the wall pink.", "a man in a navy blue coat",
        "A dark green jacket.", "a pale blue sky", "He feels blue.", "a sign that says 'red'", "a red fox",
    ],
)  # fmt: skip
def test_what_only_sounds_like_a_colour_claims_nothing(text: str) -> None:
    assert claims_of(text) == ()


def test_specks_and_seams_are_no_colour() -> None:
    seam = canvas(SHOWN["red"])
    seam[:, 80:] = SHOWN["green"]
    assert score("A yellow ball.", seam) == pytest.approx(score("A blue ball.", seam) or 0, abs=1e-6)
    specks = canvas()
    specks[::9, ::9] = SHOWN["blue"]
    lacking_one, clear = score("A blue ball.", specks), score("A blue ball.", spot("blue"))
    assert lacking_one is not None and clear is not None
    assert lacking_one < clear - 0.1


def test_a_large_faint_tint_may_be_called_by_its_colour() -> None:
    hazy = canvas((214, 219, 226))
    assert score("A blue sky.", hazy) == pytest.approx(SATURATED, abs=1e-6)
    assert (score("A red sky.", hazy) or 0) < SATURATED - 0.1
