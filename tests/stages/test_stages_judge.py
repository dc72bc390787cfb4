"""The judge of composed queries: what it says does not fit is not made, and what it garbles changes nothing."""

from __future__ import annotations

import pytest
from caption_bench import Bench, Says, sample

from stages.expand import Expand
from synflow.asks import Refusal
from synflow.models.signals.vlm import SignalsVlm
from synflow.records import Frame


def composed(vlm, **config):
    bench = Bench(vlm)
    frames = tuple(
        Frame(index=i, time=p.time, width=160, height=90, digest=p.digest, bytes=len(p.jpeg))
        for i, p in enumerate(bench.media.all.pictures)
    )
    given = sample("a", "A red square slides along.").having(frames=frames)
    (outcome,) = Expand(Expand.Config(tasks=("ti2v", "tv2v"), **config))([given], bench)
    return outcome.sample


def writes(judgement):
    query = "the same square a little later on the right side"

    def say(ask):
        if ask.prompt == "pair-judge":
            return judgement(ask) if callable(judgement) else judgement
        return {"query": query, "strategy": "relational", "relation": "continuation"}

    return Says(say)


def test_what_the_judge_refuses_is_not_made_and_counted():
    vlm = writes({"reason": "the square is not on the right", "verdict": "no"})
    made = composed(vlm, judge=True)
    assert made.pairs == ()
    assert (made.measures["expand.unfit"], made.measures["expand.refused"]) == (2, 0)
    asked, judged = vlm.asks
    assert [ask.prompt for ask in judged] == ["pair-judge"] * 2
    assert [ask.pictures for ask in judged] == [ask.pictures for ask in asked]
    assert {ask.system for ask in judged} == {ask.system for ask in asked}
    assert "the first picture belongs to the query" in judged[0].text
    assert "the same square a little later" in judged[1].text


@pytest.mark.parametrize(
    "judgement",
    [
        {"reason": "all of it is there", "verdict": "fits"},
        {"reason": "most of it is there", "verdict": "partly"},
        {"reason": "", "verdict": "no"},
        {"verdict": "no"},
        {"reason": "x y", "verdict": "never"},
        "no",
        None,
        lambda ask: Refusal(ask.digest("says"), "answer-schema"),
    ],
)
def test_all_else_leaves_the_pairs(judgement):
    made = composed(writes(judgement), judge=True)
    assert {pair.task for pair in made.pairs} == {"ti2v", "tv2v"}
    assert made.measures["expand.unfit"] == 0


def test_nobody_is_asked_to_judge_unless_it_is_wanted():
    vlm = writes({"reason": "no", "verdict": "no"})
    assert len(composed(vlm).pairs) == 2
    assert len(vlm.asks) == 1


def test_signals_does_not_judge():
    assert composed(SignalsVlm(), judge=True).pairs == composed(SignalsVlm()).pairs
