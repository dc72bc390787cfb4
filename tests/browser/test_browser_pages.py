"""What a person does with the report and the web page, in a real browser, narrow and dark, wide and light."""

# mypy: ignore-errors
from __future__ import annotations

import json
import re
import shutil
import time
import urllib.parse
from pathlib import Path

import axe_playwright_python
import pytest
from browser_server import served

pytestmark = pytest.mark.browser

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
SERIOUS = ("serious", "critical")
PAGES = ("/", "/pairs", "/dropped", "/thresholds", "/compare", "/marks", "/nowhere")


def faults(page) -> list[str]:
    """Return what axe finds serious or worse, each with the first element that has it."""
    # Through the debugger: a page's own policy lets no script in.
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]} {one['nodes'][0].get('failureSummary', '')[:200]}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
    ]


def overflow(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def opened(watched, address: str, path: str = "/"):
    token = urllib.parse.urlsplit(address)
    watched.page.goto(f"{token.scheme}://{token.netloc}{path}?{token.query}")
    return watched.page


def test_the_report(watched, run: Path) -> None:
    page = watched.page
    page.goto((run.parent / "report.html").as_uri())
    assert overflow(page) <= 0
    for part in ("funnel", "pairs", "dropped", "cuts", "texts", "audit", "measures", "work"):
        page.click(f"nav.bar a[href='#{part}']")
        assert page.locator(f"#{part} h2").is_visible()
    film = page.locator(".film[data-frames]").first
    film.locator(".play").click()
    assert film.locator(".screen").is_visible() and film.locator(".play").inner_text() == "Pause"
    first = film.locator(".screen").evaluate("one => one.style.backgroundPosition")
    page.wait_for_timeout(800)
    assert film.locator(".screen").evaluate("one => one.style.backgroundPosition") != first
    slide = page.locator(".slide").first
    before = slide.locator("output").inner_text()
    slide.locator("input").focus()
    page.keyboard.press("End")
    assert slide.locator("output").inner_text() != before
    assert page.locator("svg.chart .moved").count() > 0
    page.locator("#theme").click()
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert faults(page) == []
    assert all(url.startswith(("file:", "data:")) for url in watched.requests)


def test_the_line_of_a_slider_stands_where_the_threshold_is(watched, run: Path) -> None:
    watched.page.goto((run.parent / "report.html").as_uri())
    gaps = watched.page.evaluate(
        """[...document.querySelectorAll('.slide')].map(box => {
             const svg = box.parentElement.querySelector('svg.chart'), cut = svg.querySelector('.color-2 rect');
             if (!cut) return 0;
             const middle = Number(cut.getAttribute('x')) + Number(cut.getAttribute('width')) / 2;
             return Math.abs(Number(svg.querySelector('.moved').getAttribute('x1')) - middle); })"""
    )
    assert gaps and max(gaps) < 2.5


def test_the_report_reads_without_scripts(browser, run: Path) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 800})
    page = context.new_page()
    page.goto((run.parent / "report.html").as_uri())
    assert page.locator(".film .strip img").first.is_visible() and not page.locator(".slide").first.is_visible()
    assert page.locator(".pair .said").first.is_visible()
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_a_serious_fault_or_is_too_wide(watched, address: str, path: str) -> None:
    page = opened(watched, address)
    page.goto(urllib.parse.urljoin(page.url, path))
    page.wait_for_load_state("networkidle")
    assert overflow(page) <= 0
    assert faults(page) == []
    if path == "/nowhere":
        watched.errors.clear()


def test_each_filter_of_pairs(watched, address: str) -> None:
    page = opened(watched, address, "/pairs")
    whole = total(page)
    for name in ("task", "domain", "style", "emphasis"):
        page.select_option(f"#f-{name}", index=1)
        page.wait_for_url(re.compile(f"{name}=."))
        assert 0 < total(page) < whole, name
        page.goto(urllib.parse.urljoin(page.url, "/pairs"))
    said = page.locator(".said").first.inner_text().split()[1]
    page.fill("#f-q", said)
    page.press("#f-q", "Enter")
    page.wait_for_url(re.compile("q=."))
    assert said.lower() in page.locator(".said").first.inner_text().lower()
    page.fill("#f-q", "")
    page.fill("#f-source", "nothing like that")
    page.click("text=Show")
    page.wait_for_selector(".hole")
    page.fill("#f-source", "")
    page.select_option("#f-score", index=1)
    page.wait_for_url(re.compile("score=."))
    page.fill("#f-least", "0")
    page.select_option("#f-sort", "high")
    page.wait_for_url(re.compile("sort=high"))
    assert 0 < total(page) <= whole


def total(page) -> int:
    told = page.locator("nav.turn span").first.inner_text()
    return int(told.split(" of ")[-1].replace(",", "")) if " of " in told else 0


def test_turning_pages(watched, address: str) -> None:
    page = opened(watched, address, "/pairs")
    first = page.locator("article.pair").first.get_attribute("aria-label")
    page.locator("a[rel=next]").first.click()
    page.wait_for_url(re.compile("start=20"))
    assert page.locator("article.pair").first.get_attribute("aria-label") != first
    page.locator("a[rel=prev]").first.click()
    assert page.locator("article.pair").first.get_attribute("aria-label") == first


def until(page, condition: str, seconds: float = 20.0) -> None:
    """Wait for a condition; playwright's own way to do so is a string that the page's policy would not run."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(50)


def test_a_clip_plays(watched, address: str) -> None:
    page = opened(watched, address, "/pairs")
    page.goto(urllib.parse.urljoin(page.url, "/pairs?task=t2v"))
    page.locator("article a[href^='/pairs/']").first.click()
    video = page.locator("video")
    video.evaluate("one => { one.muted = true; return one.play(); }")
    until(page, "document.querySelector('video').currentTime > 0.2")
    assert video.evaluate("one => one.videoWidth") > 0
    assert page.locator(".chain li").count() > 10
    assert faults(page) == []


def test_marking_a_pair_by_keyboard_alone(watched, address: str, run: Path) -> None:
    page = opened(watched, address, "/pairs")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to(page, "a[href^='/pairs/']")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/pairs/\w"))
    tab_to(page, "#note")
    page.keyboard.press("Control+a")
    page.keyboard.type("left and right are swapped")
    tab_to(page, "button[value=bad]")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=status] .mark-bad")
    name = page.url.rsplit("/", 1)[1]
    lines = [json.loads(line) for line in (run / "marks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (lines[-1]["id"], lines[-1]["mark"], lines[-1]["note"]) == (name, "bad", "left and right are swapped")
    page.goto(urllib.parse.urljoin(page.url, "/marks"))
    assert page.get_by_text("left and right are swapped").is_visible()
    assert faults(page) == []


def tab_to(page, selector: str, most: int = 250) -> None:
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("one => document.activeElement.matches(one)", selector):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def test_a_threshold_is_slid_and_replayed(watched, address: str) -> None:
    page = opened(watched, address, "/thresholds")
    page.goto(urllib.parse.urljoin(page.url, "/thresholds"))
    card = page.locator(".grid > div").filter(has_text="too-small").first
    field = card.locator("input[type=number]")
    before = field.input_value()
    card.locator("input[type=range]").focus()
    page.keyboard.press("End")
    assert field.input_value() != before and "keeps" in card.locator("output").inner_text()
    card.locator("button").click()
    page.wait_for_url(re.compile("/replay"))
    assert page.get_by_text("would be").is_visible()
    assert faults(page) == []


def test_rejects_have_pictures_and_reasons(watched, address: str) -> None:
    page = opened(watched, address, "/dropped")
    page.goto(urllib.parse.urljoin(page.url, "/dropped"))
    page.select_option("#f-reason", index=1)
    page.wait_for_url(re.compile("reason=."))
    image = page.locator("article img").first
    image.scroll_into_view_if_needed()
    until(page, "document.querySelector('article img').complete")
    assert image.evaluate("one => one.naturalWidth") > 200


def test_a_run_under_way_is_looked_at_again_until_somebody_pauses(watched, run: Path, tmp_path: Path) -> None:
    root = tmp_path / "run"
    shutil.copytree(run, root)
    whole = (root / "dataset.json").read_bytes()
    (root / "dataset.json").unlink()
    page = watched.page
    with served(root) as address:
        page.goto(address)
        assert page.get_by_text("Newest pairs").is_visible() and page.locator("article.pair img").count() > 2
        until(
            page, "[...document.querySelectorAll('article.pair img')].slice(0, 2).every(one => one.naturalWidth > 20)"
        )
        assert overflow(page) <= 0 and faults(page) == []
        page.evaluate("document.querySelector('[data-live]').firstElementChild.dataset.old = '1'")
        until(page, "!document.querySelector('[data-old]')")
        page.click("#live")
        assert page.locator("#live").inner_text() == "Go on"
        page.evaluate("document.querySelector('[data-live]').firstElementChild.dataset.old = '1'")
        page.wait_for_timeout(6000)
        assert page.locator("[data-old]").count() == 1
        (root / "dataset.json").write_bytes(whole)
        page.click("#live")
        page.evaluate("document.activeElement.blur()")
        page.wait_for_selector("text=From input to pairs", timeout=20_000)
        assert page.locator("[data-live]").count() == 0


def test_the_prompt_as_sent_is_on_the_page_of_a_pair(watched, address: str) -> None:
    page = opened(watched, address, "/pairs")
    page.goto(urllib.parse.urljoin(page.url, "/pairs?task=t2v"))
    page.locator("article a[href^='/pairs/']").first.click()
    summary = page.locator("summary", has_text="The prompt as sent").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open] pre").first.is_visible()
    assert overflow(page) <= 0 and faults(page) == []


def test_lists_for_the_next_run_are_on_the_page_of_marks(watched, address: str) -> None:
    page = opened(watched, address, "/pairs")
    page.locator("article a[href^='/pairs/']").first.click()
    page.click("button[value=bad]")
    page.goto(urllib.parse.urljoin(page.url, "/marks"))
    for name in ("bad-pairs", "bad-clips", "bad-records", "exclude"):
        with page.expect_download() as got:
            page.click(f"a[href='/export/{name}.jsonl']")
        assert Path(got.value.path()).read_text(encoding="utf-8").startswith("{"), name
