from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from curation_films import Films, sample_of

from stages.rectify import Rectify, RectifyConfig
from stages.rules.language import foreign
from stages.rules.ruleset import CHECKS, Rulebook, built_in
from stages.rules.text import fault
from synflow.contract import CorpusStage, Decision, Drop, Keep, Stage
from synflow.records import Caption, Sample

CTX = Films()
RULES = Rulebook()
REPAIRS = [(rule.name, *example) for rule in built_in().repair for example in rule.examples]
HITS = [(rule.name, rule.reason, text) for rule in built_in().drop for text in rule.hit]
MISSES = [(rule.name, text) for rule in built_in().drop for text in rule.miss]


def mend(*texts: str, **config: object):
    return Rectify(RectifyConfig.model_validate(config))([sample_of("a", *texts)], CTX)[0]


def reason_of(text: str) -> str:
    return Rectify().judge(Caption(text=text))[1]


def text_of(text: str) -> str:
    return Rectify().judge(Caption(text=text))[0].text


def test_is_a_stage_and_a_corpus_stage():
    assert isinstance(Rectify(), Stage)
    assert isinstance(Rectify(), CorpusStage)


@pytest.mark.parametrize(("name", "before", "after"), REPAIRS)
def test_repairs_of_the_rule_file(name: str, before: str, after: str):
    """The examples hold for the rule alone, or it would not load; nothing after it makes them longer."""
    languages = next(rule.languages for rule in built_in().repair if rule.name == name) or ("en",)
    stage = Rectify(RectifyConfig(languages=languages[:1]))
    text = stage.judge(Caption(text=before))[0].text
    assert len(text) <= len(after)
    assert text == after or text in after


@pytest.mark.parametrize(("name", "reason", "text"), HITS)
def test_drops_of_the_rule_file(name: str, reason: str, text: str):
    """The rule finds it, and the stage drops it, perhaps because an earlier rule says more of it."""
    assert reason in Rectify.reasons
    rule = next(rule for rule in built_in().drop if rule.name == name)
    language = rule.languages[0] if rule.languages else ""
    assert rule in RULES.of(language).drops
    assert rule.compiled.search(text)
    assert Rectify(RectifyConfig(languages=(language,) if language else ())).judge(Caption(text=text))[1]


@pytest.mark.parametrize(("name", "text"), MISSES)
def test_misses_of_the_rule_file(name: str, text: str):
    rule = next(rule for rule in built_in().drop if rule.name == name)
    assert not rule.compiled.search(text)


def test_every_rule_has_examples_and_a_name_of_its_own():
    names = [rule.name for rule in (*built_in().repair, *built_in().drop)]
    assert len(names) == len({*names, *CHECKS}) - len(CHECKS)
    assert all(rule.examples for rule in built_in().repair)
    assert all(rule.hit and rule.miss for rule in built_in().drop)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "caption-empty"),
        (" \n ", "caption-empty"),
        ("--- !!!", "caption-empty"),
        ("Thanks for watching! Please like and subscribe!!!", "caption-boilerplate"),
        ("https://example.org/videos/12345.mp4", "caption-url"),
        ("#dog #cat #fun #pets #love", "caption-hashtags"),
        ("IMG_0034.MOV", "caption-file-name"),
        ("{{title}} {{date}}", "caption-markup"),
        ("\ufffd\ufffd\ufffd a \ufffd cat", "caption-garbled"),
        ("=== 12 %% 34 $$ 56 &&", "caption-garbled"),
        ("\ufffd\ufffd\ufffd \ufffd\ufffd", "caption-garbled"),
        ("????? ??? ????", "caption-garbled"),
        ("\u25a1\u25a1\u25a1 \u25a1\u25a1", "caption-garbled"),
        ("\x01\x02\x03 \x04", "caption-garbled"),
        ("?!", "caption-empty"),
        ("%u0435%u0434%u0435%u0442 %u043F%u043E%u0435%u0437%u0434", "caption-language"),
        ("[img]https://example.org/pictures/one.png[/img]", "caption-markup"),
        ("<script>show('cat'); play(3);</script>", "caption-markup"),
        ("The child who is sitting on the edge of", "caption-truncated"),
        ("a camel a camel walks walks along along a fence fence fence", "caption-repetitive"),
        ("a man a man a man a man", "caption-repetitive"),
        ("A batter practises swings in an", "caption-truncated"),
        ("Details of the new bridge and ...", "caption-truncated"),
        ("video", "caption-generic"),
        ("Ein Mann in einem roten Hemd betritt ein Haus.", "caption-language"),
        ("一个人在弹吉他", "caption-language"),
        ("Человек играет на гитаре", "caption-language"),
    ],
)
def test_reasons(text: str, reason: str):
    assert reason_of(text) == reason
    outcome = mend(text)
    assert isinstance(outcome, Drop)
    assert outcome.reason == reason


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>Two views over a valley&nbsp;with <b>red hills</b>.</p>&lt;br&gt;",
         "Two views over a valley with red hills."),
        ("A   cat \n sleeps .", "A cat sleeps."),
        ("two%20boats%20cross%20a%20lake", "two boats cross a lake"),
        ("Two boats cross a lake.<script>track('x')</script><style>p{a:b}</style>", "Two boats cross a lake."),
        ("a cafÃ© on a street corner", "a café on a street corner"),
        ("Tom &amp; Jerry run", "Tom & Jerry run"),
        ("A cat jumps over a wall - YouTube", "A cat jumps over a wall"),
    ],
)  # fmt: skip
def test_good_text_is_repaired_and_both_are_kept(before: str, after: str):
    outcome = mend(before)
    assert isinstance(outcome, Keep)
    caption = outcome.sample.captions[0]
    assert (caption.text, caption.before) == (after, before)
    assert outcome.sample.measures["rectify.repaired"] == 1


@pytest.mark.parametrize(
    "text",
    ["a man is talking", "two lions", "spins baton", "zoom in", "guy sits on", "twinkle twinkle little star is sung",
     "a sombrero lies on a taco truck", "La Tour Eiffel at night, seen from a boat", "Señor chef cooks paella"],
)  # fmt: skip
def test_plain_captions_stay_as_they_are(text: str):
    outcome = mend(text)
    assert isinstance(outcome, Keep), outcome
    assert outcome.sample.captions[0].text == text
    assert outcome.sample.captions[0].before == ""


def test_no_caption_is_legal():
    sample = sample_of("a")
    assert Rectify()([sample], CTX) == [Keep(sample)]
    assert Rectify().rows([sample], CTX) == [None]


def test_bad_captions_are_removed_and_noted_while_one_is_good():
    outcome = mend("video", "a dog runs on a beach", "A dog runs on a beach.", "IMG_0001.MOV")
    assert isinstance(outcome, Keep)
    assert [caption.text for caption in outcome.sample.captions] == ["a dog runs on a beach"]
    assert [note["reason"] for note in outcome.sample.facts["captions_removed"]] == [
        "caption-generic",
        "caption-file-name",
    ]
    assert outcome.sample.measures["rectify.removed"] == 2


def test_all_bad_captions_drop_the_sample_for_the_first():
    outcome = mend("IMG_0001.MOV", "video")
    assert isinstance(outcome, Drop)
    assert outcome.reason == "caption-file-name"
    assert outcome.measures["rectify.removed"] == 2


def test_other_languages_can_be_asked_for():
    german = "Ein Mann in einem roten Hemd betritt ein Haus."
    assert isinstance(mend(german, languages=("en", "de")), Keep)
    assert isinstance(mend(german, languages=()), Keep)
    assert isinstance(mend("a man in a red shirt walks into a house", languages=("de",)), Drop)
    assert isinstance(mend("一个人在弹吉他", languages=("zh",)), Keep)


def test_texts_of_models_are_left_alone():
    sample = sample_of("a").having(captions=(Caption(text="video", origin="model"),))
    outcome = Rectify()([sample], CTX)[0]
    assert isinstance(outcome, Keep)
    assert outcome.sample.captions == sample.captions


def shared(samples: list[Sample], **config: object):
    stage = Rectify(RectifyConfig.model_validate(config))
    rows = stage.rows(samples, CTX)
    told = [row for row in rows if row is not None]
    decisions = iter(stage.settle(told, 0))
    return [stage.apply(s, next(decisions) if row else Decision()) for s, row in zip(samples, rows, strict=True)]


def test_a_caption_shared_by_different_sources_is_dropped():
    outcomes = shared(
        [sample_of("a", "A man is talking."), sample_of("b", "a man is talking"), sample_of("c", "a cat")]
    )
    assert [type(outcome) for outcome in outcomes] == [Drop, Drop, Keep]
    assert isinstance(outcomes[0], Drop)
    assert outcomes[0].reason == "caption-shared"
    assert outcomes[0].detail == "shared by 2 sources"


def test_only_the_shared_caption_is_removed():
    first, _ = shared([sample_of("a", "a man is talking", "a chef cuts an onion"), sample_of("b", "a man is talking")])
    assert isinstance(first, Keep)
    assert [caption.text for caption in first.sample.captions] == ["a chef cuts an onion"]
    assert first.sample.facts["captions_removed"][0]["reason"] == "caption-shared"


def test_two_clips_of_one_source_may_share():
    outcomes = shared([sample_of("a", "a man is talking", clip=True), sample_of("a", "a man is talking")])
    assert all(isinstance(outcome, Keep) for outcome in outcomes)


def test_sharing_is_a_parameter():
    samples = [sample_of(name, "a man is talking") for name in "ab"]
    assert all(isinstance(outcome, Keep) for outcome in shared(samples, shared_by=3))
    assert all(isinstance(outcome, Keep) for outcome in shared(samples, shared_by=0))


def test_foreign_needs_more_than_one_witness():
    assert foreign("La Tour Eiffel", ["en"]) == ""
    assert foreign("une femme mange une pomme dans la cuisine", ["en"]) == "fr"


def lines(path: Path, language: str | None = None) -> list[str]:
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [record["text"] for record in records if language in (None, record["lang"])]


@pytest.mark.slow
def test_real_captions(shared_data: Path):
    folder = shared_data / "captions"
    for name in ("msrvtt", "msvd", "didemo", "qvhighlights", "webvid"):
        texts = lines(folder / f"{name}.jsonl")
        dropped = [text for text in texts if reason_of(text)]
        assert len(dropped) <= 0.015 * len(texts), (name, dropped[:9])
    assert not [text for text in lines(folder / "multi30k.jsonl", "en") if reason_of(text)]
    for name, language in (("multi30k", "de"), ("multi30k", "fr"), ("multi30k", "cs"), ("msvd_cn", "zh")):
        texts = lines(folder / f"{name}.jsonl", language)
        found = Counter(reason_of(text) for text in texts)
        assert found["caption-language"] >= 0.95 * len(texts), (name, language, found)


def test_what_a_repair_empties_was_boilerplate():
    assert reason_of("Please like and subscribe to my channel!") == "caption-boilerplate"
    assert reason_of("<p></p>") == "caption-markup"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a white and white cat is licking his lips .", "caption-repetitive"),
        ("a person is riding a horse and a horse .", "caption-repetitive"),
        ("A man and a man in a red shirt shake hands.", ""),
        ("A boy winks over and over again.", ""),
        ("A black and white cat sits by a dog and a cat.", ""),
        ("He shows what this machine is capable of", ""),
        ("The boat is 20%25 full and 30%25 paid", ""),
    ],
)
def test_the_same_thing_joined_to_itself_is_a_stutter(text, reason):
    assert (fault(text, RULES.of("en")) or ("",))[0] == reason
