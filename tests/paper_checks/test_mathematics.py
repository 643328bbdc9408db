"""Every formula becomes MathML, and the font in the page has its glyphs and their larger forms."""

import base64
import io
import re

import pytest
from fontTools.ttLib import TTFont

from paper_checks import registry
from paper_checks.mathematics import FONT, font_face, inline, mathml


def test_every_statement_is_typeset():
    """latex2mathml passes an unknown command through as text; none may reach the page."""
    for claim in registry.claims():
        assert "\\" not in mathml(claim.statement, True), claim.id
        assert "double-struck" not in mathml(claim.statement, True), f"{claim.id}: \\mathbb takes braces"
        assert "\\" not in inline(claim.hypotheses), claim.id
        for twin in claim.twins:
            assert "\\" not in inline(twin.title), claim.id


def test_text_is_escaped_beside_formulas():
    assert inline("a < $x$").startswith("a &lt; <math")


def test_limits_and_words():
    assert "<munderover><mo>∑</mo>" in mathml(r"\left(\sum_{i=1}^n x_i\right)", True)
    assert "<mi>SNR</mi>" in mathml(r"\mathrm{SNR}")
    assert '<mi mathvariant="normal">Λ</mi>' in mathml(r"\Lambda")
    assert mathml("a|b|").count('lspace="0"') == 2


@pytest.fixture(scope="module")
def font():
    css = font_face(mathml(r"\left(\sum_i \frac{x_i}{h}\right) \int f \sqrt{\mu}") + "ZZZ outside a formula")
    (data,) = re.findall(r"base64,([^)]*)\)", css)
    return TTFont(io.BytesIO(base64.b64decode(data)))


def test_the_font_has_what_is_written_and_what_browsers_make_of_it(font):
    known = font.getBestCmap()
    assert all(
        ord(character) in known for character in "()∑∫√\U0001d465\u210e\U0001d707"
    )  # x, h, mu in italics
    assert ord("Z") not in known and ord("∏") not in known


def test_what_stretches_has_larger_forms(font):
    variants = font["MATH"].table.MathVariants
    stretching = set(variants.VertGlyphCoverage.glyphs)
    assert {font.getBestCmap()[ord(c)] for c in "()∑∫√"} <= stretching


def test_the_font_names_itself_and_its_licence(font):
    assert font["name"].getDebugName(1) == FONT
    assert "SIL Open Font License" in font["name"].getDebugName(13)
