"""Formulas for pages: LaTeX as MathML, and the part of a math font that a page needs, inside the page.

Browsers set MathML themselves, but stretch roots, sums and brackets only with a font that has a MATH table,
which few machines carry. STIX Two Math (SIL Open Font License 1.1) comes with the wheel of ziamath; the
formulas of a page use a few hundredths of it.
"""

import base64
import functools
import html
import io
import re
import unicodedata
from importlib.metadata import distribution
from xml.etree import ElementTree

FONT = "STIX Two Math"
LICENCE = "SIL Open Font License 1.1"
_LIMITS = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}


@functools.cache
def mathml(latex: str, display: bool = False) -> str:
    r"""MathML of a LaTeX formula.

    Limits of sums stand below and above wherever the formula is displayed, and a word in upright letters is
    one identifier, not one for each letter.

    Examples
    --------
    >>> mathml(r"x^2")
    '<math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
    >>> "<munder><mo>∑</mo>" in mathml(r"\left(\sum_i x_i\right)", display=True)
    True
    >>> "<mi>SNR</mi>" in mathml(r"\mathrm{SNR}")
    True
    """
    from latex2mathml.converter import convert

    root = ElementTree.fromstring(convert(latex, xmlns="", display="block" if display else "inline"))
    for element in root.iter():
        if element.tag in _LIMITS and element[0].text in ("∑", "∏"):
            element.tag = _LIMITS[element.tag]
        if element.text in ("|", "/"):  # MathML takes them for relations and leaves space around them
            element.attrib |= {"lspace": "0", "rspace": "0"}
        if element.tag == "mi" and element.text in tuple("ΓΔΘΛΞΠΣΦΨΩ"):
            element.set("mathvariant", "normal")  # upright, as in LaTeX
        _join_upright(element)
    return ElementTree.tostring(root, encoding="unicode")


def _join_upright(parent: ElementTree.Element) -> None:
    """One identifier for neighbours in upright letters."""
    if parent.tag not in ("mrow", "mstyle", "math"):  # elsewhere the place of a child is its meaning
        return
    before = None
    for child in list(parent):
        upright = child.tag == "mi" and child.get("mathvariant") == "normal" and (child.text or "").isascii()
        if upright and before is not None:
            before.text = (before.text or "") + (child.text or "")
            before.attrib.pop("mathvariant", None)  # of several letters upright is what browsers do
            parent.remove(child)
        else:
            before = child if upright else None


def inline(text: str) -> str:
    """Escape plain text and typeset what stands between dollar signs.

    Examples
    --------
    >>> inline("a < b")
    'a &lt; b'
    """
    parts = re.split(r"\$([^$]+)\$", text)
    return "".join(mathml(part) if i % 2 else html.escape(part) for i, part in enumerate(parts))


def font_face(page: str) -> str:
    """CSS that brings the glyphs of the formulas in `page` as a font inside the style sheet."""
    formulas = "".join(re.findall(r"<math\b.*?</math>", page, re.DOTALL))
    written = {"√", *html.unescape(re.sub(r"<[^>]*>", "", formulas))}  # roots are drawn, not written
    data = base64.b64encode(_subset(frozenset(written))).decode()
    return (
        f'@font-face {{ font-family: "{FONT}"; src: url(data:font/woff;base64,{data}) format("woff"); }}\n'
        f'math {{ font-family: "{FONT}", math; }}'
    )


def _italic(letters: frozenset[str]) -> set[str]:
    """The mathematical italics that browsers show for identifiers of one letter."""
    return {
        character
        for character in map(chr, [0x210E, *range(0x1D434, 0x1D468), *range(0x1D6E2, 0x1D71C)])
        if unicodedata.normalize("NFKC", character) in letters
        or unicodedata.normalize("NFD", unicodedata.normalize("NFKC", character)) in letters
    }


@functools.cache
def _subset(letters: frozenset[str]) -> bytes:
    """STIX Two Math with these characters, what they stretch to, and their forms in scripts, as WOFF."""
    import logging

    from fontTools import subset

    logging.getLogger("fontTools").setLevel(logging.ERROR)
    options = subset.Options(flavor="woff", layout_features=["ssty", "dtls", "flac"], notdef_outline=True)
    options.name_IDs = [0, 1, 2, 13, 14]  # whose it is, and under which licence
    # the file alone: importing ziamath would read its fonts, and warn
    path = distribution("ziamath").locate_file("ziamath/fonts/STIXTwoMath-Regular.ttf")
    chooser = subset.Subsetter(options)
    chooser.populate(text="".join(sorted(letters | _italic(letters))))
    file = io.BytesIO()
    with subset.load_font(str(path), options) as font:
        chooser.subset(font)
        subset.save_font(font, file, options)
    return file.getvalue()
