"""The licence of a pair is the strictest of those of its sources, by one order that is data."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synflow.licences import ORDER, strictest
from synflow.records import Pair, Side, Text
from synflow.store.pack import described, index_row

LISTED = [name for kind in ORDER for name in kind]


def test_the_order_names_each_licence_once_and_stricter_ones_later() -> None:
    assert len({name.lower() for name in LISTED}) == len(LISTED)
    kinds = ["CC0-1.0", "MIT", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0"]
    for mild, strict in itertools.combinations([*kinds, "CC-BY-NC-ND-4.0", "LicenseRef-studio", "unknown"], 2):
        assert strictest([mild, strict]) == strict == strictest([strict, mild]), (mild, strict)


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        ([], "unknown"), (["", "MIT"], "unknown"), (["NOASSERTION", "CC0-1.0"], "unknown"),
        (["cc-by-4.0"], "CC-BY-4.0"), (["CC BY-SA 4.0", "MIT"], "CC-BY-SA-4.0"),
        (["https://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-4.0"], "CC-BY-NC-4.0"),
        (["https://creativecommons.org/publicdomain/zero/1.0/legalcode"], "CC0-1.0"),
        (["House rules", "Agency"], "Agency AND House rules"), (["Agency", "Agency"], "Agency"),
        (["CC-BY-NC-ND-4.0", "House rules"], "House rules"),
    ],
)  # fmt: skip
def test_names_as_they_are_written(given_: list[str], found: str) -> None:
    assert strictest(given_) == found


@given(st.lists(st.sampled_from([*LISTED, "unknown", "House rules"]), min_size=1, max_size=6))
def test_order_of_sources_does_not_matter_and_nothing_is_milder_than_its_parts(names: list[str]) -> None:
    found = strictest(names)
    assert found == strictest(reversed(names)) == strictest([found, *names])
    assert found in names


def pair(**more: str) -> Pair:
    side = Side(text=Text(text="a dog"))
    common = {"instruction": "i", "domain": "cmp", "record_id": "r", "source_id": "s", "source_uri": "u"}
    return Pair.model_validate({"id": "0a", "task": "ti2v", "query": side, "target": side, **common, **more})


def test_a_pair_carries_the_strictest_of_both_sides_and_both_stay_readable() -> None:
    composed = pair(licence="CC-BY-4.0", query_record_id="q", query_licence="CC-BY-NC-4.0")
    for told in (described(composed), index_row(composed, "s.tar", 0, 1)):
        assert told["licence"] == "CC-BY-NC-4.0"
        assert (told["target_licence"], told["query_licence"]) == ("CC-BY-4.0", "CC-BY-NC-4.0")
    strange = pair(licence="CC-BY-4.0", query_record_id="q", query_licence="unknown")
    assert described(strange)["licence"] == "unknown"
    own = pair(licence="CC-BY-4.0")
    assert described(own)["licence"] == "CC-BY-4.0" == json.loads(json.dumps(described(own)))["target_licence"]
