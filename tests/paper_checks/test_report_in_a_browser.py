"""The report in headless Chromium: wide, on a phone, on paper. Skipped where no Chromium is found."""

import re

import pytest

from paper_checks import registry
from paper_checks.claim import Claim, Run, Skipped, Twin, at_most, execute
from paper_checks.report import Picture, Sheet, render, write
from tests.browsers import MISSING, QUIET, chromium

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright (extra dev)")

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
STATEMENT = r"\left(\sum_{i=1}^{n} \frac{x_i^2}{\sqrt{1 + \frac{a}{b}}}\right)^2 \le "
STATEMENT += " + ".join("abcdefgh" * 4)
COLUMNS = ["tensor", "weights", *(f"{bits} bits" for bits in range(2, 9)), "verdict"]


def check(run, bound=1.0, skip=False):
    if skip:
        raise Skipped("an extra is missing")
    for n in range(1, 9):
        yield at_most(f"n = {n} and a name as long as names of settings become now and then", n / 9, bound)


def claim(name, place, **changes):
    return Claim(
        id=f"kn.{name}", title=f"A statement about {name} in so many words that a line is full",
        paper="kumar-natale", place=place, statement=STATEMENT, hypotheses="for $n \\ge 2$", mark="paper",
        check=check, twins=[Twin("half the bound", {"bound": 0.5})], figure="coin", **changes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    claims = [claim("second", "Lemma 2"), claim("first", "Theorem 1"), claim("third", "Section 3")]
    claims.append(claim("left_out", "Lemma 9", expected="skipped", parameters={"skip": True}))
    outcomes = [execute(one, Run(one.id), twin) for one in claims for twin in (None, *one.twins)]
    rows = [
        [f"_blocks.{i}._project_conv.weight", "38,400", *["20.4 / 11.1"] * 7, "cut at 2-4"] for i in range(9)
    ]
    pictures = [Picture("coin", "The coin", "Heads.", PIXEL), Picture("other", "Another", "Tails.", PIXEL)]
    page = render(
        registry.judge(outcomes), pictures, budget="quick", seed=0, versions={"numpy": "2"},
        sheets=[Sheet("Real weights", "dB", COLUMNS, rows)],
    )  # fmt: skip
    return write(page, tmp_path_factory.mktemp("report")).as_uri()


@pytest.fixture(scope="module")
def browser():
    if chromium() is None:
        pytest.skip(MISSING)
    with sync_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium(), args=QUIET)
        yield running
        running.close()


@pytest.fixture
def open_page(browser, address):
    """open_page(width, fragment, **options); errors and foreign requests fail the test at its end."""
    pages, wrong = [], []

    def opened(width=1280, fragment="", **options):
        page = browser.new_page(viewport={"width": width, "height": 800}, **options)
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith((address, "data:")) else wrong.append(r.url))
        page.goto(address + fragment)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert wrong == []


def ids(page):
    return [row.get_attribute("id") for row in page.locator(".index tbody tr").all() if row.is_visible()]


def overflowing(page):
    """What is wider than the window and has no scroll of its own."""
    return page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((e) => {
             if (e.closest("dialog, math") || !e.getClientRects().length) return false;
             const scroll = e.closest(".scroll");
             if (scroll) return scroll.clientWidth > innerWidth;
             return e.getBoundingClientRect().right > innerWidth + 1;
           }).map((e) => e.outerHTML.slice(0, 80))"""
    )


def test_counts_lead_to_their_claims_and_the_index_is_searched(open_page):
    page = open_page()
    assert ids(page) == [
        "in-index-kn.first",
        "in-index-kn.second",
        "in-index-kn.left_out",
        "in-index-kn.third",
    ]
    page.click("a[data-verdict=skipped]")
    assert ids(page) == ["in-index-kn.left_out"]
    assert page.inner_text("#found") == "1 of 4"
    page.select_option("#verdict", "")
    page.fill("#words", "theorem 1")
    assert ids(page) == ["in-index-kn.first"]
    page.fill("#words", "kn.thi")
    assert ids(page) == ["in-index-kn.third"]
    page.click(".index a[href='#kn.third']")
    assert page.locator("#kn\\.third h4").is_visible()
    assert re.search(r"0\.8889\s", page.inner_text("#kn\\.third .facts"))  # the tightest of eight settings


def test_without_script_all_is_there(open_page):
    page = open_page(java_script_enabled=False)
    assert len(ids(page)) == 4
    assert not page.locator("#filter").is_visible()
    assert page.locator("#kn\\.second h4").is_visible()
    links = [a.get_attribute("href") for a in page.locator(".tally a").all()]
    assert links == ["#index", "#in-index-kn.first", "#in-index-kn.left_out"]
    assert all(page.locator(f"[id='{link[1:]}']").count() == 1 for link in links)


def test_a_phone_gets_folded_sections_and_nothing_wider_than_itself(open_page):
    page = open_page(390)
    assert page.evaluate("document.documentElement.scrollHeight") < 2 * 800
    assert not page.locator("#kn\\.first").is_visible()
    page.click("a[data-verdict=holds]")
    assert len(ids(page)) == 3
    page.click(".index a[href='#kn.first']")
    assert page.locator("#kn\\.first h4").is_visible()  # a link into a folded part opens it
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert overflowing(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#kn\\.first h4").bounding_box()["height"] < 80  # three lines, not a word on each


def test_print_keeps_every_column_and_opens_what_is_folded(open_page):
    page = open_page(390)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.set_viewport_size({"width": 1046, "height": 718})  # A4 across, without its margins, at 96 dpi
    assert page.locator("#kn\\.first h4").is_visible()
    assert page.locator(".sheets th", has_text="verdict").bounding_box()["x"] < 1046 - 20
    page.set_viewport_size({"width": 695, "height": 1024})  # A4 upright: all but the wide tables
    assert [e for e in overflowing(page) if "sheets" not in e] == []
    assert page.locator(".index th").last.bounding_box()["x"] < 695 - 20
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.querySelectorAll('details.fold[open]').length") == 0


def test_figures_are_enlarged_by_mouse_and_by_keyboard(open_page):
    page = open_page()
    page.click("#figure-coin button")
    assert page.locator("dialog img").get_attribute("src").startswith("data:image/png")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
    page.focus("#figure-other button")
    page.keyboard.press("Enter")
    assert page.locator("dialog").is_visible()
    page.click("dialog img")
    assert not page.locator("dialog").is_visible()


def test_formulas_use_the_font_of_the_page_and_brackets_stretch(open_page):
    page = open_page(fragment="#kn.first")
    assert page.evaluate("document.fonts.ready.then((f) => [...f].some((x) => x.status === 'loaded'))")
    formula = page.locator("#kn\\.first math").first
    bracket, fraction = (formula.locator(name).first.bounding_box()["height"] for name in ("mo", "mfrac"))
    assert bracket >= 0.9 * fraction
