"""The report: every claim with its verdict, beside the figures that illustrate it, as one HTML file.

Self-contained: statements are MathML with the glyphs they need, figures are embedded, and no request goes
anywhere. Without its script the page is whole, and longer: the script searches the index, folds sections on
narrow screens and enlarges figures.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from paper_checks.claim import BUDGETS, EVIDENCE, INCONCLUSIVE, NOT_REPRODUCED, REFUTED, SKIPPED, Claim
from paper_checks.headline import measured, number, stated
from paper_checks.judge import Judged, family, ran
from paper_checks.mathematics import FONT, LICENCE, font_face, inline, mathml
from paper_checks.registry import PAPERS
from paper_checks.sharpness import summary
from sims.support.files import atomic_write

KINDS = ("Theorem", "Corollary", "Lemma", "Proposition", "Section", "Figure", "Table")


@dataclass(frozen=True)
class Picture:
    """A figure as the report needs it."""

    name: str
    title: str
    caption: str
    png: bytes

    @property
    def uri(self) -> str:
        """The PNG as a data URI."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Sheet:
    """A table of plain cells with a heading, shown after the papers (real weights, say)."""

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[Sequence]


@dataclass(frozen=True)
class Group:
    """Claims that share a figure, and that figure."""

    picture: Picture | None
    claims: list[tuple[Judged, list[Judged]]]

    @property
    def counts(self) -> dict[str, int]:
        """How many verdicts of each kind."""
        return counts(one for one, _ in self.claims)


def by_place(claim: Claim) -> tuple:
    """Sorts claims as the statements of a paper are looked for: theorems, lemmas, sections, the rest."""
    kind = next((i for i, name in enumerate(KINDS) if claim.place.startswith(name)), len(KINDS))
    numbers = [int(n) for n in re.findall(r"\d+", claim.place)] if kind < len(KINDS) else []
    return list(PAPERS).index(claim.paper), kind, numbers


def groups(judged: Sequence[Judged], pictures: Sequence[Picture], paper: str) -> list[Group]:
    """Claims of one paper, gathered by figure in order of appearance; claims without a figure come last."""
    by_name = {picture.name: picture for picture in pictures}
    found: dict[str, Group] = {}
    for one in judged:
        claim = one.outcome.claim
        if claim.paper != paper or one.outcome.twin:
            continue
        name = claim.figure if claim.figure in by_name else ""
        twins = [t for t in judged if t.outcome.twin and t.outcome.claim.id == claim.id]
        found.setdefault(name, Group(by_name.get(name), [])).claims.append((one, twins))
    return sorted(found.values(), key=lambda group: group.picture is None)


def counts(judged: Iterable[Judged]) -> dict[str, int]:
    """How many verdicts of each kind."""
    tally: dict[str, int] = {}
    for one in judged:
        tally[one.verdict] = tally.get(one.verdict, 0) + 1
    return tally


def weight_sheets() -> list[Sheet]:
    """Tables of the real networks at hand: the digits network, and EfficientNet-Lite0 with the zoo extra."""
    from sims import weights
    from sims.networks import digits

    network = {f"layer {i + 1}": matrix for i, matrix in enumerate(digits.load().weights)}
    tables = [("Real weights: the digits network", weights.analyse(network))]
    if (path := weights.zoo_checkpoint()) is not None:
        tables.append(("Real weights: EfficientNet-Lite0", weights.analyse(weights.load(path))))
    note = "SNR in dB, quantized / pruned at equal compression of 16-bit weights (sparsity 1 - bits/16)."
    return [
        Sheet(title, f"{note} {table.recommendation()}", list(rows[0]), [list(row.values()) for row in rows])
        for title, table in tables
        for rows in [table.lines()]
    ]


def render(
    judged: Sequence[Judged],
    pictures: Sequence[Picture],
    *,
    budget: str,
    seed: int,
    versions: dict[str, str],
    sheets: Sequence[Sheet] = (),
    made: datetime | None = None,
) -> str:
    """The page; equal arguments give equal text apart from the line that says when it was made."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = resources.files("paper_checks")
    template, style, script = (
        folder.joinpath(f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, measured=measured, stated=stated)
    environment.globals.update(inline=inline, mathml=mathml, wbr=Markup("_<wbr>"))
    used = {one.outcome.claim.figure for one in judged}
    plain = [one for one in judged if not one.outcome.twin]
    claims, twins = ran(judged)
    sharpness = [one.outcome.sharpness for one in plain if one.outcome.sharpness]
    page = environment.from_string(template).render(
        style=style,
        script=script,
        font=FONT,
        licence=LICENCE,
        evidence=EVIDENCE,
        index=sorted(plain, key=lambda one: by_place(one.outcome.claim)),
        papers=[(paper, groups(judged, pictures, key)) for key, paper in PAPERS.items()],
        gallery=[picture for picture in pictures if picture.name not in used],
        sheets=sheets,
        counts=counts(plain),
        declared=sum(one.as_declared for one in claims),
        claims=len(claims),
        twins=len(twins),
        twins_refuted=sum(one.as_declared for one in twins),
        surprises=[one for one in judged if not one.as_declared],
        spent=family(judged),
        sharp=summary(sharpness) if sharpness else "",
        budget=budget,
        scale=BUDGETS[budget],
        seed=seed,
        versions=versions,
        made=(made or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC"),
        words={
            REFUTED: "refuted",
            NOT_REPRODUCED: "not-reproduced",
            INCONCLUSIVE: "inconclusive",
            SKIPPED: "skipped",
        },
    )
    return page.replace("/* the font goes here */", font_face(page))


def write(page: str, folder: str | Path) -> Path:
    """Write the page as index.html into `folder`; it is whole or absent."""
    path = Path(folder) / "index.html"
    with atomic_write(path) as file:
        file.write(page)
    return path
