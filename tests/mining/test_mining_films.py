"""Pairs that hold an mp4 are embedded by its pictures; what cannot be decoded is abstained from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from synflow.ids import digest
from synflow.mining.films import Films
from synflow.store.layout import RunLayout
from synflow.world.render import render_world


def test_pictures_of_a_film(tmp_path: Path) -> None:
    render_world(tmp_path / "world", clips=1, seed=5, workers=1)
    (path,) = (tmp_path / "world" / "videos").iterdir()
    film = path.read_bytes()
    layout = RunLayout(tmp_path / "run")
    layout.prepare(())
    with Films(layout) as films:
        pictures = films.pictures(film, (0.5, 1.5, 2.5))
        assert [picture.time for picture in pictures] == [0.5, 1.5, 2.5]
        assert all(picture.digest == digest(picture.jpeg) for picture in pictures)
        shown = [cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR) for picture in pictures]
        assert len({picture.digest for picture in pictures}) == 3 and all(one is not None for one in shown)
        assert films.pictures(film, (0.5, 1.5, 2.5)) == pictures
        assert films.pictures(b"no film", (0.5,)) == ()
    assert not list(layout.staging.iterdir())
