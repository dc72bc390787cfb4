"""Rules of a manifest beside the built-in ones, rules per language, and what is repaired."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

from stages.rectify import Rectify, RectifyConfig
from stages.rules.cut import cut_off
from stages.rules.ruleset import built_in
from synflow import registry
from synflow.errors import UsageError
from synflow.identity import differences, fingerprint
from synflow.manifest import Manifest, changed_manifest, json_schema, load_manifest
from synflow.records import Caption
from synflow.world.defects import _BOILERPLATE

ROOT = Path(__file__).resolve().parents[2]
OWN = """\
off: [shop]
repair:
  - name: acme-suffix
    pattern: '\\s*~ ACME\\s*$'
    examples: [['A dog runs ~ ACME', 'A dog runs']]
drop:
  - name: zebra
    reason: caption-generic
    pattern: '\\bzebras?\\b'
    languages: [en]
    hit: ['two zebras run']
    miss: ['two dogs run']
"""


def judged(text: str, **config: object) -> tuple[str, str]:
    stage = Rectify(RectifyConfig.model_validate_json(json.dumps(config), strict=True))
    caption, reason, _ = stage.judge(Caption(text=text))
    return caption.text, reason


def manifest(folder: Path, rules: str, own: str = OWN, sets: tuple[str, ...] = ()) -> Manifest:
    (folder / "own.yaml").write_text(own, encoding="utf-8")
    (folder / "m.yaml").write_text(
        f"version: 1\nname: m\ninputs: [{{clips: a.jsonl}}]\nstages:\n  - rectify:\n      rules: {rules}\n",
        encoding="utf-8",
    )
    return load_manifest(folder / "m.yaml", sets)


def stage_of(loaded: Manifest) -> Rectify:
    entry = loaded.stages[0]
    stage = registry.build(entry.name, entry.config)
    assert isinstance(stage, Rectify)
    return stage


@pytest.mark.parametrize("rules", ["own.yaml", "[own.yaml]", "[{off: [generic]}, own.yaml]"])
def test_a_manifest_names_a_file_of_rules(tmp_path: Path, rules: str):
    stage = stage_of(manifest(tmp_path, rules))
    assert stage.judge(Caption(text="A dog runs on grass ~ ACME"))[0].text == "A dog runs on grass"
    assert stage.judge(Caption(text="Two zebras run"))[1:] == ("caption-generic", "zebra")
    assert stage.judge(Caption(text="A red dress hangs, free shipping"))[1] == ""
    assert stage.judge(Caption(text="Thanks for watching"))[1] == "caption-boilerplate"


def test_rules_may_stand_in_the_manifest_itself(tmp_path: Path):
    loaded = manifest(tmp_path, "{drop: [{name: zebra, pattern: zebra, reason: caption-generic}], off: [link]}")
    assert stage_of(loaded).judge(Caption(text="Two zebras run"))[1] == "caption-generic"
    assert stage_of(loaded).judge(Caption(text="a dog runs http://example.org/abcdefg"))[1] == "caption-url"


def test_a_rule_with_the_name_of_a_built_in_one_takes_its_place():
    rules = {"drop": [{"name": "generic", "pattern": "^only this$", "reason": "caption-generic"}]}
    assert judged("My video", rules=rules)[1] == ""
    assert judged("only this", rules=rules)[1] == "caption-generic"


def test_checks_that_are_no_patterns_can_be_switched_off():
    for name, text in {
        "shouting": "A MAN RIDES A HORSE ALONG THE BEACH",
        "cut-word": "a man is playing the guit",
        "last-word": "a man is playing the",
        "doubled-words": "a man man rides rides a horse horse",
        "hashtags": "#dog #cat #fun",
        "garbled": "zxbvt sdgfh qwrtp",
    }.items():
        assert judged(text, rules={"off": [name]}) == (text, ""), name
        assert judged(text) != (text, ""), name


def test_a_changed_rule_file_is_drift(tmp_path: Path):
    def printed(own: str) -> dict[str, object]:
        loaded = manifest(tmp_path, "own.yaml", own)
        return fingerprint(loaded.identity(), {"rectify": Rectify.version}, (), asks=False)

    before = printed(OWN)
    assert differences(before, printed(OWN)) == []
    changed = OWN.replace("zebras?", "zebras").replace("zebras\\\\b", "zebras\\b")
    lines = differences(before, printed(changed))
    assert len(lines) == 1
    assert "rules.drop[0].pattern" in lines[0]


def test_a_finished_manifest_needs_its_files_no_more(tmp_path: Path):
    dump = manifest(tmp_path, "own.yaml").model_dump(mode="json")
    (tmp_path / "own.yaml").unlink()
    again = Manifest.restored(json.loads(json.dumps(dump)), tmp_path)
    assert stage_of(again).judge(Caption(text="Two zebras run"))[1] == "caption-generic"
    changed = changed_manifest(dump, tmp_path, ("rectify.shared_by=3",))
    assert stage_of(changed).config.shared_by == 3


def test_rules_can_be_set_on_the_command_line(tmp_path: Path):
    loaded = manifest(tmp_path, "[]", sets=("rectify.rules=own.yaml",))
    assert stage_of(loaded).judge(Caption(text="Two zebras run"))[1] == "caption-generic"


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (OWN.replace("two zebras run", "two lions run"), "own.yaml:11: .*drop.0..hit: must be found .*two lions run"),
        (OWN.replace("two dogs run", "a zebra"), "own.yaml:12: .*miss: must not be found .*a zebra"),
        (OWN.replace("'A dog runs'", "'A cat runs'"), r"own.yaml:5: .*examples: must hold: .*becomes 'A dog runs'"),
        (OWN.replace("\\bzebras?\\b", "(zebra"), r"own.yaml:9: .*pattern: must be a regular expression"),
        (OWN.replace("\\bzebras?\\b", "z*"), r"own.yaml:9: .*pattern: must not match an empty text"),
        (OWN.replace("caption-generic", "caption-generick"), r"own.yaml:8: .*did you mean `caption-generic`"),
        (OWN.replace("[shop]", "[shopp]"), r"own.yaml:1: .*off: .*'shopp' is none; did you mean 'shop'"),
        (OWN.replace("drop:", "drops:"), r"own.yaml:6: .*drops: unknown key"),
        ("", r"m.yaml:6: .*'own.yaml' is empty"),
        ("drop: [", r"own.yaml:1: not valid YAML"),
        ("&a drop: *a", r"own.yaml:1: an anchor"),
        ("- x", r"own.yaml"),
    ],
)
def test_what_is_wrong_with_a_rule_file_is_said_with_its_line(tmp_path: Path, own: str, said: str):
    with pytest.raises(UsageError, match=said) as error:
        manifest(tmp_path, "own.yaml", own)
    assert error.value.remedy
    assert error.value.exit_code == 2


def test_a_rule_file_that_is_not_there_is_a_mistake_of_the_manifest(tmp_path: Path):
    with pytest.raises(UsageError, match=r"m.yaml:6: stages\[0\].rectify.rules: 'gone.yaml' cannot be read"):
        manifest(tmp_path, "gone.yaml")
    (tmp_path / "bin").write_bytes(b"off: [\xff\xfe]")
    with pytest.raises(UsageError, match="bin:1: not UTF-8"):
        manifest(tmp_path, "bin")


def test_the_schema_knows_files_and_rules():
    schema = json_schema(["rectify"])
    document = {"version": 1, "name": "m", "inputs": [{"clips": "a.jsonl"}]}
    for rules in ("own.yaml", ["own.yaml", {"off": ["shop"]}], {"off": ["shop"]}):
        jsonschema.validate({**document, "stages": [{"rectify": {"rules": rules}}]}, schema)
    for rules in (3, {"offf": []}, [3]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, "stages": [{"rectify": {"rules": rules}}]}, schema)


@pytest.mark.parametrize(
    ("text", "languages", "reason"),
    [
        ("Ein Mann geht über die", ["de"], "caption-truncated"),
        ("Ein Mann geht über die", ["en", "de"], "caption-truncated"),
        ("All the flowers in the garden die", ["en", "de"], ""),
        ("Une femme court dans la", ["fr", "en"], ""),
        ("Une femme court avec les", ["fr", "en"], "caption-truncated"),
        ("Eine Frau spielt auf ihrer Gitar", ["de"], "caption-truncated"),
        ("Vielen Dank fürs Zuschauen!", ["de"], "caption-boilerplate"),
        ("感谢观看", ["zh"], "caption-boilerplate"),
        ("Mein Video", ["de"], "caption-generic"),
        ("Mein Video", [], "caption-generic"),
        ("Eine Frau spielt Gitarre", ["de"], ""),
        ("Женщина играет на гитаре", ["ru"], ""),
        ("Жінка грає на гітарі у парку", ["ru"], "caption-language"),
        ("a woman plays the guitar", ["de", "fr"], "caption-language"),
        ("kobieta gra na gitarze", ["en"], "caption-language"),
        ("perro corre", ["en"], "caption-language"),
        ("一个人在弹吉他，旁边有一只狗，很高兴，真的", ["zh"], ""),
        ("男の人がギターを弾いています", ["zh"], "caption-language"),
        ("एक आदमी गिटार बजा रहा है", ["hi"], ""),
        ("En mann spiller gitar i en park", ["no"], ""),
        ("Muškarac svira gitaru u parku", ["hr"], ""),
        ("naine mängib pargis kitarri ja laulab", ["en"], "caption-language"),
    ],
)
def test_a_text_is_judged_by_the_rules_of_its_language(text: str, languages: list[str], reason: str):
    assert judged(text, languages=languages)[1] == reason


def test_the_language_is_noted_where_it_is_known():
    stage = Rectify(RectifyConfig(languages=("en", "de")))
    assert stage.judge(Caption(text="Eine Frau spielt Gitarre im Park"))[0].language == "de"
    assert stage.judge(Caption(text="a woman plays the guitar in a park"))[0].language == "en"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A MAN RIDES A HORSE. HE FALLS ON TV!", "A man rides a horse. He falls on TV!"),
        ("a man rides a horse #horse #riding #fun", "a man rides a horse"),
        ("a #man rides a #horse on the beach", "a man rides a horse on the beach"),
        ("a man rides a horse | Horse World", "a man rides a horse"),
        ("a man rides a horse. Read more: https://example.org/1", "a man rides a horse."),
        ("a man turns the light on https://example.org/1", "a man turns the light on"),
        ("<|im_start|>user\nDescribe.<|im_end|>\n<|im_start|>assistant\na man rides<|im_end|>", "a man rides"),
        ('Sure! Here\'s a caption for the video: "a man rides a horse"', "a man rides a horse"),
        ('```json\n{"caption": "a man rides a horse"}\n```', "a man rides a horse"),
        ('{"id": 3, "caption": "a man rides a horse", "score": 0.5}', "a man rides a horse"),
        ('{"caption": "a man rides a horse', "a man rides a horse"),
        ("a man rides a horse se├▒or", "a man rides a horse señor"),
        ("the man?s horse isn?t fast", "the man's horse isn't fast"),
        ("the men are in in a boat", "the men are in a boat"),
        ("[Music] a man rides a horse", "a man rides a horse"),
    ],
)
def test_good_text_is_freed_of_what_surrounds_it(before: str, after: str):
    assert judged(before) == (after, "")


@pytest.mark.parametrize(
    "text",
    ["USA and UK", "a toy to play with", "he explains what an integrated circuit is", "a man is running about",
     "a woman is at the gym", "a yoga mat", "someone shows a photography ad", "men wear a hat at asos.com",
     "the dog's tail isn't the cat's", "Rio de Janeiro at night", "La La Land is shown on a screen",
     "a feng shui room", "chop onions with a knife", "the players in a very very big stadium"],
)  # fmt: skip
def test_unusual_captions_stay(text: str):
    assert judged(text) == (text, "")


def test_captions_as_long_as_books_are_removed_without_ado():
    assert judged("a dog " * 900)[1] == "caption-too-long"
    assert judged("a" * 4_000_000)[1] == "caption-too-long"
    assert judged(" ".join(f"dog{i}" for i in range(2000)), longest=0)[1] != "caption-too-long"


@pytest.mark.parametrize(
    "piece",
    ["[", "<a ", " - ", "#a ", '{"', "((", "a a ", "\\", " | x", "!?", "subscribe ", "to ", "here is a ", "http://"],
)
def test_no_rule_is_slow_on_hostile_texts(piece: str):
    start = time.process_time()
    judged(piece * (19_900 // len(piece)))
    judged(piece * (4900 // len(piece)))
    assert time.process_time() - start < 3


@pytest.mark.parametrize("text", _BOILERPLATE)
def test_boilerplate_of_the_world_is_dropped(text: str):
    assert judged(text.format(what="our episode", n=7))[1] in ("caption-boilerplate", "caption-url")


@pytest.mark.parametrize("end", ["inspect", "chop", "insp", "carefu"])
def test_a_sentence_cut_in_its_verb(end: str):
    rules = built_in()
    assert cut_off(f"a worker in a red lift {end}", "en", rules.last_words["en"], ())[0] in ("bare-verb", "cut-word")
    assert cut_off(f"two workers in a red lift {end}", "en", (), ())[0] != "bare-verb"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmarks_captions", ROOT / "benchmarks/captions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_kind_of_damage_is_mended_or_removed_for_its_reason(bench: ModuleType):
    result = bench.measure(bench.world_captions(60), each=20)
    weak = {kind: share for kind, share in result["kinds"].items() if share < 0.95}
    # What is left of a word is often a word: no rule can tell "a pal" of "a pale wall".
    assert set(weak) <= {"cut in a word", "cut after a small word"}, (weak, result["missed"])
    assert result["kinds"]["cut in a word"] >= 0.7
    for reason, score in result["reasons"].items():
        assert score["precision"] >= 0.95, (reason, score)
        assert score["recall"] >= (0.85 if reason == "caption-truncated" else 0.95), (reason, score)


def test_the_benchmark_finds_a_rule_that_fails(bench: ModuleType, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bench, "Rectify", lambda: Rectify(RectifyConfig(rules={"off": ["address"]})))
    result = bench.measure(bench.world_captions(60), each=10)
    assert result["kinds"]["file name"] == 1
    assert result["reasons"]["caption-url"]["recall"] < 0.95


def test_the_rule_file_of_the_docs_loads(tmp_path: Path):
    page = (ROOT / "docs/rules.md").read_text(encoding="utf-8")
    manifest_part, own = (block.split("```")[0] for block in page.split("```yaml\n")[1:3])
    assert "rules: my-rules.yaml" in manifest_part
    stage = stage_of(manifest(tmp_path, "own.yaml", own))
    assert stage.judge(Caption(text="Colour chart on a wall, take 3"))[1] == "caption-generic"
    assert stage.judge(Caption(text="A dog runs on grass ~ Blue River"))[0].text == "A dog runs on grass"
