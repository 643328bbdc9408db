"""The page is one file, asks nobody for anything, and shows every verdict."""

import dataclasses
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from paper_checks import registry
from paper_checks.claim import Claim, Run, Skipped, Twin, execute, within
from paper_checks.report import Picture, Sheet, by_place, render, write

PNG = b"\x89PNG\r\n\x1a\n0000"


def check(run, target=0.5):
    yield within("heads <b>", run.probability("coin", lambda r, n: r.random(n) < 0.5, 100_000), target, 0.03)


CLAIM = Claim(
    id="kn.example",
    title="A coin & its law",
    paper="kumar-natale",
    place="Lemma 0",
    statement=r"\Pr(D = 0) \to 1 - \tfrac12 (e^{-\mu} + e^{-2\mu})",
    hypotheses="for $n \\ge 2$ and a < b",
    mark="derived",
    check=check,
    twins=[Twin("law at $0.7$", {"target": 0.7})],
    figure="coin",
)


@pytest.fixture(scope="module")
def judged():
    run = Run(CLAIM.id)
    return registry.judge([execute(CLAIM, run), execute(CLAIM, run, CLAIM.twins[0])])


def page(judged, made=None):
    pictures = [
        Picture("coin", "The coin", "Heads with $p$.", PNG),
        Picture("other", "Another", "No claim.", PNG),
    ]
    sheet = Sheet("Tensors", "of a network", ["name", "dB"], [["conv <1>", 12.34567]])
    return render(
        judged, pictures, budget="quick", seed=0, versions={"numpy": "2"}, sheets=[sheet], made=made
    )


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.stack, self.links, self.ids, self.scripts = [], [], [], 0

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.scripts += tag == "script"
        self.links += [found[key] for key in ("src", "href") if key in found]
        if "id" in found:
            self.ids.append(found["id"])
        if tag not in ("meta", "img", "br", "wbr", "col", "link", "input"):
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, f"unbalanced </{tag}>"


def test_the_page_is_well_formed_and_asks_nobody_for_anything(judged):
    tags = Tags()
    tags.feed(page(judged))
    assert not tags.stack
    assert tags.scripts == 1  # inside the page: its address would be among the links
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in tags.links)
    assert not re.search(r"url\((?!data:font/woff;base64,)|@import", page(judged))
    assert "default-src 'none'" in page(judged)
    assert len(tags.ids) == len(set(tags.ids))
    assert {link[1:] for link in tags.links if link.startswith("#")} <= set(tags.ids)


def test_every_claim_twin_and_picture_is_shown(judged):
    text = page(judged)
    assert "A coin &amp; its law" in text
    assert "heads &lt;b&gt;" in text
    assert "conv &lt;1&gt;" in text
    assert text.count("<math") >= 4
    assert "1 / 1" in text
    assert "refuted" in text
    assert 'id="figure-coin"' in text.split('id="figures"')[0]  # beside its claim
    assert 'id="figure-other"' in text.split('id="figures"')[1]


def test_equal_input_gives_equal_text_but_for_one_line(judged):
    one = page(judged, datetime(2026, 1, 1, tzinfo=UTC)).splitlines()
    two = page(judged, datetime(2027, 1, 1, tzinfo=UTC)).splitlines()
    assert [a for a, b in zip(one, two, strict=True) if a != b] == [
        '<p class="soft made">Made 2026-01-01 00:00 UTC.</p>'
    ]


def test_an_undeclared_verdict_is_named_at_the_top(judged):
    surprising = registry.judge([execute(CLAIM, Run(CLAIM.id), CLAIM.twins[0])])
    wrong = registry.Judged(surprising[0].outcome, "holds", ("holds",))
    assert "Not as declared" in page([wrong])
    assert "Not as declared" not in page(judged)


def test_what_was_skipped_is_no_verdict_as_declared_and_no_refuted_version(judged):
    def absent(run, target=0.5):
        raise Skipped("it needs an extra")
        yield

    away = dataclasses.replace(CLAIM, id="kn.absent", check=absent)
    run = Run(away.id)
    skipped = registry.judge([execute(away, run), execute(away, run, away.twins[0])])
    text = page([*judged, *skipped])
    assert "<b>1 / 1</b><span>verdicts as declared" in text and "<b>1 / 1</b>false versions refuted" in text
    assert re.search(r'<b class="v-skipped">1</b><span>skipped', text)


def test_the_page_is_written_whole(judged, tmp_path):
    path = write(page(judged), tmp_path / "out")
    assert path.name == "index.html"
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert len(list(path.parent.iterdir())) == 1


def test_the_index_has_every_claim_with_its_number_and_goes_by_theorem(judged):
    index = page(judged).split('id="index"')[1].split("</table>")[0]
    assert index.count("<tr id=") == 1  # twins are no claims
    assert 'href="#kn.example"' in index and "Lemma 0" in index
    assert judged[0].headline.measured in index and judged[0].headline.stated in index
    places = sorted(registry.claims(), key=by_place)
    kumar = [claim.place for claim in places if claim.paper == "kumar-natale"]
    assert kumar[0].startswith("Theorem 1")
    assert kumar.index("Lemma 1") < kumar.index("Lemma 2") < kumar.index("golden case")


def test_how_to_read_stands_before_the_tables_and_explains_the_marks(judged):
    before, after = page(judged).split('id="index"')
    assert all(f"<dt>{mark}</dt>" in before for mark in ("paper", "derived", "heuristic"))
    assert "<table" not in before and "<table" in after


def test_a_picture_of_no_claim_and_a_paper_without_claims_need_no_section(judged):
    assert 'id="zhang-saab"' not in page(judged)
