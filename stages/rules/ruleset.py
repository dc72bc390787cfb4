"""Rules on captions as data: what a rule may say, the check of its own examples, and which rules apply to a text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
Reason = Literal[
    "caption-boilerplate", "caption-url", "caption-hashtags", "caption-file-name", "caption-markup",
    "caption-garbled", "caption-repetitive", "caption-truncated", "caption-generic",
]  # fmt: skip
"""The reasons that a rule may give."""

CHECKS = (
    "shouting", "json", "hashtags", "garbled", "one-sign", "same-joined", "act-joined", "same-place",
    "doubled-words", "phrase-twice", "phrase-again", "few-words", "ends-with-dots", "last-word", "cut-word",
    "bare-verb",
)  # fmt: skip
"""Names of the checks that no pattern could do; they can be switched off like a rule."""


class RulePart(BaseModel):
    """Base of what a rule file holds: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Rule(RulePart):
    """A named pattern: a Python regular expression, case ignored, ``.`` matching line breaks too.

    Attributes:
        languages: ISO 639-1 codes of the texts that it applies to; empty for all.
        needs: small letters or signs of which one has to be in a text, or the pattern is not even tried; empty to
            try it always. Most captions need no rule: this makes them fast.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
    pattern: str = Field(min_length=1, max_length=4000)
    languages: tuple[Language, ...] = ()
    needs: tuple[str, ...] = ()

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            compiled = _compiled(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"must be a regular expression ({error})") from error
        if compiled.search(""):
            raise ValueError("must not match an empty text, or it matches every caption")
        return pattern

    @property
    def compiled(self) -> re.Pattern[str]:
        """The pattern, compiled."""
        return _compiled(self.pattern)

    def applies(self, language: str) -> bool:
        """Tell whether it is for texts of a language (empty: not known)."""
        return not self.languages or not language or language in self.languages


class Repair(Rule):
    """What is taken out of a text, or replaced by ``put``, which may name groups of the pattern.

    Attributes:
        examples: ``[before, after]``, checked when the rule is loaded.
    """

    put: str = ""
    examples: tuple[tuple[str, str], ...] = ()

    @field_validator("put")
    @classmethod
    def _puts(cls, put: str, info: Any) -> str:
        if "pattern" in info.data:
            try:
                re.sub(f"(?:{info.data['pattern']})|", put, "", count=1, flags=_FLAGS)
            except (re.error, IndexError) as error:
                raise ValueError(f"must be a text with groups of the pattern ({error})") from error
        return put

    @field_validator("examples")
    @classmethod
    def _holds(cls, examples: tuple[tuple[str, str], ...], info: Any) -> tuple[tuple[str, str], ...]:
        if {"pattern", "put"} <= set(info.data):
            for before, after in examples:
                found = _tidy(_compiled(info.data["pattern"]).sub(info.data["put"], before))
                if _spared(info.data.get("needs", ()), before) and found != _tidy(before):
                    raise ValueError(f"must hold what the rule needs, {before!r} does not")
                if found != _tidy(after):
                    raise ValueError(f"must hold: {before!r} becomes {found!r}, not {after!r}")
        return examples


class Condemn(Rule):
    """What condemns a repaired text.

    Attributes:
        reason: the code that the caption is removed with.
        hit, miss: texts that it must and must not find, checked when the rule is loaded.
    """

    reason: Reason
    hit: tuple[str, ...] = ()
    miss: tuple[str, ...] = ()

    @field_validator("hit")
    @classmethod
    def _hits(cls, hit: tuple[str, ...], info: Any) -> tuple[str, ...]:
        needs = info.data.get("needs", ())
        found = _compiled(info.data["pattern"]).search if "pattern" in info.data else bool
        missed = [text for text in hit if _spared(needs, text) or not found(text)]
        if missed:
            raise ValueError(f"must be found by the pattern, {missed[0]!r} is not")
        return hit

    @field_validator("miss")
    @classmethod
    def _misses(cls, miss: tuple[str, ...], info: Any) -> tuple[str, ...]:
        found = [text for text in miss if "pattern" in info.data and _compiled(info.data["pattern"]).search(text)]
        if found:
            raise ValueError(f"must not be found by the pattern, {found[0]!r} is")
        return miss


class RuleSet(RulePart):
    """A file of rules.

    Attributes:
        repair: taken out of a text, in order; drop: condemn what is left.
        last_words: language -> words that no caption ends with; ``strandable``: that end one only after `to`, `what`.
        keep_upper: words that stay in capitals where a shouted text is calmed.
        off: names of built-in rules and checks that are switched off.
    """

    repair: tuple[Repair, ...] = ()
    drop: tuple[Condemn, ...] = ()
    last_words: dict[Language, tuple[str, ...]] = {}
    strandable: dict[Language, tuple[str, ...]] = {}
    keep_upper: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    @field_validator("off")
    @classmethod
    def _known(cls, off: tuple[str, ...]) -> tuple[str, ...]:
        known = {rule.name for rule in (*built_in().repair, *built_in().drop)} | set(CHECKS) if off else set()
        strange = [name for name in off if name not in known]
        if strange:
            near = difflib.get_close_matches(strange[0], sorted(known), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"they are {', '.join(sorted(known))}"
            raise ValueError(f"must name built-in rules, {strange[0]!r} is none; {hint}")
        return off


_FLAGS = re.IGNORECASE | re.DOTALL

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""That of libyaml where PyYAML was built with it: it takes a tenth of the time."""


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, _FLAGS)


def _spared(needs: Sequence[str], text: str) -> bool:
    low = text.lower()
    return bool(needs) and not any(need in low for need in needs)


def _tidy(text: str) -> str:
    return " ".join(text.split())


def read_rules(text: str) -> RuleSet:
    """Return the rules in a YAML text, their examples checked."""
    return RuleSet.model_validate(yaml.load(text, _LOADER))


@lru_cache(maxsize=1)
def built_in() -> RuleSet:
    """Return the rules of `captions.yaml`."""
    return read_rules(Path(__file__).with_name("captions.yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class LanguageRules:
    """The rules that apply to texts of one language."""

    language: str
    repairs: tuple[Repair, ...]
    drops: tuple[Condemn, ...]
    last_words: frozenset[str]
    strandable: frozenset[str]
    keep_upper: frozenset[str]
    off: frozenset[str]

    def mended(self, text: str) -> str:
        """Return the text after each repair, once."""
        low = text.lower()
        for needs, search, put in self._repair_steps:
            if not needs or any(need in low for need in needs):
                mended = search(put, text)
                if mended != text:
                    text, low = mended, mended.lower()
        return text

    def condemned(self, text: str) -> tuple[str, str] | None:
        """Return reason and name of the first rule that finds a text."""
        low = text.lower()
        for needs, search, rule in self._drop_steps:
            if (not needs or any(need in low for need in needs)) and search(text):
                return rule.reason, rule.name
        return None

    @cached_property
    def _repair_steps(self) -> tuple[tuple[tuple[str, ...], Callable[[str, str], str], str], ...]:
        return tuple((rule.needs, rule.compiled.sub, rule.put) for rule in self.repairs)

    @cached_property
    def _drop_steps(self) -> tuple[tuple[tuple[str, ...], Callable[[str], Any], Condemn], ...]:
        return tuple((rule.needs, rule.compiled.search, rule) for rule in self.drops)


class Rulebook:
    """The built-in rules and those of a manifest, one after the other.

    A rule of the manifest goes before the built-in ones; one with the name of a built-in rule takes its place.
    """

    def __init__(self, own: Sequence[RuleSet] = ()) -> None:
        self._off = frozenset(name for one in own for name in one.off)
        named = {rule.name for one in own for rule in (*one.repair, *one.drop)}
        sets = [*own, _without(built_in(), self._off | named)]
        self._repairs = tuple(rule for one in sets for rule in one.repair)
        self._drops = tuple(rule for one in sets for rule in one.drop)
        self._last, self._strandable = _joined(s.last_words for s in sets), _joined(s.strandable for s in sets)
        self._upper = frozenset(word.upper() for one in sets for word in one.keep_upper)
        self._made: dict[str, LanguageRules] = {}

    def of(self, language: str) -> LanguageRules:
        """Return the rules for texts in ``language``; empty: a language that is not known, all rules but words."""
        if language not in self._made:
            self._made[language] = LanguageRules(
                language=language,
                repairs=tuple(rule for rule in self._repairs if rule.applies(language)),
                drops=tuple(rule for rule in self._drops if rule.applies(language)),
                last_words=self._last.get(language, frozenset()),
                strandable=self._strandable.get(language, frozenset()),
                keep_upper=self._upper,
                off=self._off,
            )
        return self._made[language]


def _without(rules: RuleSet, names: Collection[str]) -> RuleSet:
    return rules.model_copy(
        update={
            "repair": tuple(rule for rule in rules.repair if rule.name not in names),
            "drop": tuple(rule for rule in rules.drop if rule.name not in names),
        }
    )


def _joined(parts: Any) -> Mapping[str, frozenset[str]]:
    joined: dict[str, frozenset[str]] = {}
    for part in parts:
        for language, words in part.items():
            joined[language] = joined.get(language, frozenset()) | {word.lower() for word in words}
    return joined
