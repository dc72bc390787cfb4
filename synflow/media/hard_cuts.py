"""Hard cuts: a step in newness that the steps around it do not show, and after which the old scene stays away."""

from __future__ import annotations

from statistics import median

import numpy as np

from synflow.media.film import Cut, Film, spread

NEW_SCENE = 0.28
"""Newness from which two pictures may be of two scenes."""

DOUBT = 0.35
"""Mean difference (`Film.change`) from which a step is matched; newness is seldom more than that."""

STANDS_OUT = 1.2
"""How many times the third largest difference around it the difference at a cut must be, before it is matched."""

STILL = 0.12
"""Mean difference under which a step is not matched: it is not much newer than that, and no cut falls by it."""

RISE = 2.0
"""How many times as new as the steps around it a cut must be (where all moves, every step is new)."""

JERK = 1.7
"""How many times as new as the second strongest step around it a cut must be."""

BESIDE = 1.3
CALM = 0.25
"""How many times as new as the steps right beside it a cut must be, unless the second strongest around is calmer."""

AROUND = 0.5
AROUND_LEAST = 6
"""Seconds and least number of steps, on either side, that a cut is compared with; the nearest is left out, since a
cut may be smeared over two."""

RETURN = 0.6
"""Seconds after (before) a step within which the old (new) scene must not be seen: flashes and cards are shorter."""

TONED = 0.85
"""Correlation ratio (`Film.toned`) from which only the light has changed."""

SAME = 0.26
"""Newness under which a scene is the old one again; at faint cuts, half their newness."""


def hard_cuts(film: Film) -> list[Cut]:
    """Return the hard cuts of ``film``, in order of time."""
    doubtful = [int(step) + 1 for step in np.flatnonzero(film.change >= DOUBT)]
    doubtful = [i for i in doubtful if _stands_out(film, i)]
    news = film.between((i - 1, i) for i in doubtful)
    new = [(i, step) for i, step in zip(doubtful, news, strict=True) if step >= NEW_SCENE]
    film.between((j - 1, j) for i, _ in new for j in _near(film, i) if film.change[j - 1] >= STILL)
    return [
        Cut(float(film.times[i]), "hard", float(film.until[i - 1]), float(film.times[i]), step)
        for i, step in new
        if _is_jump(film, i, step) and is_other_scene(film, i - 1, i, step)
    ]


def is_other_scene(film: Film, old: int, new: int, score: float) -> bool:
    """Tell whether the new scene at ``new`` is more than a change of light, and the old one stays away."""
    return film.toned(old, new) < TONED and not _comes_back(film, old, new, score)


def _comes_back(film: Film, old: int, new: int, score: float) -> bool:
    """Tell whether the scene at ``old`` is seen again soon after ``new``, or that at ``new`` was seen soon before."""
    after = spread(new + 1, film.at(film.times[new] + RETURN), 5)
    before = spread(film.at(film.times[old] - RETURN), old - 1, 5)
    pairs = [(old, j) for j in after] + [(j, new) for j in before]
    return any(value < min(SAME, score / 2) for value in film.between(pairs))


def _near(film: Film, i: int) -> list[int]:
    """Return the steps around ``i`` that it is compared with and that are not plainly still."""
    first = min(i - AROUND_LEAST, film.at(film.times[i] - AROUND))
    last = max(i + AROUND_LEAST, film.at(film.times[i] + AROUND))
    return [j for j in range(max(1, first), min(len(film.times), last + 1)) if abs(j - i) > 1]


def _stands_out(film: Film, i: int) -> bool:
    """Tell whether the mean difference at ``i`` is the largest beside it, and larger than is usual around it."""
    here = film.change[i - 1]
    if here < max(film.change[max(0, i - 2)], film.change[min(i, len(film.change) - 1)]):
        return False
    around = np.sort([film.change[j - 1] for j in _near(film, i)])
    return len(around) < 3 or bool(here >= STANDS_OUT * around[-3])


def _is_jump(film: Film, i: int, step: float) -> bool:
    """Tell whether the step at ``i`` is much newer than those around it."""
    others = sorted(_news(film, _near(film, i)), reverse=True)
    if len(others) < 2:
        return True
    # The second strongest: another cut may be near, but jerky pictures jump again and again.
    if step < max(RISE * median(others), JERK * others[1]):
        return False
    # In a whip pan the next step is nearly as new; so is it at a cut smeared over two, but there all else is calm.
    beside = _news(film, [j for j in (i - 1, i + 1) if 1 <= j < len(film.times)])
    return others[1] < CALM * step or step >= BESIDE * max(beside)


def _news(film: Film, steps: list[int]) -> list[float]:
    """Return the newness of steps, in no order; that of still ones from their mean difference."""
    still = [float(film.change[j - 1]) for j in steps if film.change[j - 1] < STILL]
    return still + film.between((j - 1, j) for j in steps if film.change[j - 1] >= STILL)
