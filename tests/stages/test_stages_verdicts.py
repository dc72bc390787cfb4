"""What stages declare of their decisions is true of them: `synflow replay` and `synflow inspect` believe it."""

from __future__ import annotations

import pytest

from synflow.contract import CorpusStage, Replayable
from synflow.registry import stage_classes

CLASSES = stage_classes()
TOLD = [name for name, stage in CLASSES.items() if hasattr(stage, "decides")]


def test_the_stages_with_thresholds_can_be_replayed() -> None:
    assert {"validate", "quality", "dynamics", "rectify", "dedup", "consistency"} <= set(TOLD)
    assert {name for name in TOLD if isinstance(CLASSES[name](CLASSES[name].Config()), Replayable)} >= {
        "validate", "quality", "dynamics",
    }  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_declarations_name_parameters_measures_and_reasons_of_the_stage(name: str) -> None:
    stage = CLASSES[name]
    assert stage.decides and stage.decides <= set(stage.Config.model_fields)
    assert hasattr(stage, "verdict") or isinstance(stage(stage.Config()), CorpusStage)
    for cut in getattr(stage, "cuts", ()):
        assert cut.reason in stage.reasons and cut.stage == name
        for measure, parameter in cut.terms:
            assert measure.startswith(f"{name}.") and parameter in stage.decides


# A clip without scores is kept: the embedder abstained.
@pytest.mark.parametrize("name", [n for n in TOLD if hasattr(CLASSES[n], "verdict") and n != "scores"])
def test_a_verdict_needs_its_measures(name: str) -> None:
    with pytest.raises(KeyError):
        CLASSES[name](CLASSES[name].Config()).verdict({})
