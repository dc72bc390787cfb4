"""mteb runs a dataset in UVRB's layout; skipped where it is not installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_uvrb import COUNT, composed, plain, seen

pytest.importorskip("mteb", reason="the extra `mteb` is not installed")

import torch

from synflow.errors import UsageError
from synflow.evaluate.mteb_task import FrameDecoder, uvrb_task


class Model:
    """An encoder of mteb that reads numbers out of texts and pictures, as `oracles.Oracle` does."""

    mteb_model_meta = None

    def encode(self, inputs: Any, **_: Any) -> Any:
        found = []
        for batch in inputs:
            for place in range(len(next(iter(batch.values())))):
                found.append(self.placed({name: values[place] for name, values in batch.items()}))
        return np.stack(found)

    def placed(self, row: dict[str, Any]) -> Any:
        values = np.zeros(32, np.float32)
        text = row.get("text") or ""
        if "thing " in text:
            values[int(text.rpartition("thing ")[2].split()[0])] = 1
        elif row.get("video") is not None:
            pictures = row["video"].get_frames_at(range(row["video"].metadata.num_frames)).data
            assert pictures.dtype == torch.uint8 and pictures.shape[1] == 3
            values[round(float(pictures.float().mean()) / 8)] = 1
        else:
            values[round(float(np.asarray(row["image"].convert("L")).mean()) / 8)] = 1
        return values

    def similarity(self, one: Any, other: Any) -> Any:
        return torch.as_tensor(np.asarray(one)) @ torch.as_tensor(np.asarray(other)).T

    def similarity_pairwise(self, one: Any, other: Any) -> Any:
        return (torch.as_tensor(np.asarray(one)) * torch.as_tensor(np.asarray(other))).sum(-1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["MSRVTT", "MS-TI", "MSRVTT-I2V", "LoVR-C2V"])
def test_mteb_scores_a_dataset(name: str, tmp_path: Path) -> None:
    if name == "MSRVTT":
        plain(tmp_path / name)
    elif name == "MS-TI":
        composed(tmp_path / name, video=False)
    else:
        seen(tmp_path / name, video=name == "LoVR-C2V")
    task = uvrb_task(tmp_path, name)
    found = task.evaluate(Model(), split="test", encode_kwargs={"batch_size": 4})["default"]
    assert task.metadata.main_score == "hit_rate_at_1"
    assert found["hit_rate_at_1"] == 1.0
    assert len(task.dataset["default"]["test"]["queries"]) == COUNT
    assert (task.dataset["default"]["test"]["top_ranked"] is None) == (name != "MS-TI")


def test_pictures_are_given_as_a_decoder_gives_them(tmp_path: Path) -> None:
    plain(tmp_path / "MSRVTT")
    task = uvrb_task(tmp_path, "MSRVTT")
    task.load_data()
    video = task.dataset["default"]["test"]["corpus"][2]["video"]
    assert isinstance(video, FrameDecoder) and video.metadata.num_frames == len(video) == 3
    assert video.get_frames_at([2, 0]).data.shape == (2, 3, 24, 32)
    with pytest.raises(UsageError, match="holds no"):
        uvrb_task(tmp_path, "DiDeMo")
