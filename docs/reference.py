"""Parts of the guide that are written from the code when it is built: the index of claims, the command line.

A page asks for one by a line `<!-- claims -->` or `<!-- commands -->`.
"""

import re
from pathlib import Path

HERE = Path(__file__).parent
WHOLE = {"kumar-natale": "lottery", "zhang-saab": "path_following", "kuzmin": "snr"}  # a paper's first page


def claims() -> str:
    """Every claim by theorem: place, id, statement, figure, and the pages that speak of it.

    Examples
    --------
    >>> "| Lemma 1 | `kn.lemma1` Moment bounds" in claims()
    True
    """
    from paper_checks import registry
    from paper_checks.report import by_place

    parts, paper = [], ""
    pages = {path.stem: path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.md"))}
    for claim in sorted(registry.claims(), key=by_place):
        if claim.paper != paper:
            paper = claim.paper
            source = registry.PAPERS[paper]
            parts.append(f"\n## {source.authors}\n\n*{source.title}. {source.where}.*\n")
            parts.append("| place | claim | figure, pages |\n|---|---|---|")
        links = [f"[{name}]({name}.md)" for name in about(claim, pages)]
        if claim.figure:
            links.insert(0, f"[{claim.figure}](gallery.md#{claim.figure})")
        cells = (claim.place, f"`{claim.id}` {claim.title}", ", ".join(links))
        parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(parts)


def about(claim, pages: dict[str, str]) -> list[str]:
    """The pages that name a claim or show its figure; where none does, that of its subject or paper."""
    named = [
        page
        for page, text in pages.items()
        if re.search(rf"\b{re.escape(claim.id)}\b", text)
        or (claim.figure and page != "gallery" and re.search(rf"\b{claim.figure}\b", text))
    ]
    subjects = (claim.check.__module__.rpartition(".")[2], claim.figure or "")
    near = [page for page in pages if any(s == page or s.startswith(f"{page}_") for s in subjects)]
    return named or near or [WHOLE[claim.paper]]


def commands() -> str:
    """The command line as Markdown, from its own help."""
    from snapcut.app import app
    from snapcut.commands.simulate import offer_simulations

    offer_simulations()
    text = app.generate_docs(output_format="markdown", recursive=True, heading_level=1)
    text = re.sub(r"## Table of Contents.*?(?=\*\*Commands)", "", text, flags=re.DOTALL)
    text = re.sub(r"\[(`[^`]+`)\]\(#[^)]*\)", r"\1", text)  # the contents stand at the side
    return re.sub(r"^# .*\n", "", text)  # the page has a title


def _insert(app, name: str, source: list[str]) -> None:
    for part in (claims, commands):
        mark = f"<!-- {part.__name__} -->"
        if mark in source[0]:
            source[0] = source[0].replace(mark, part())


def setup(app) -> dict:
    """Fill in the marks as pages are read."""
    app.connect("source-read", _insert)
    app.connect("env-get-outdated", lambda *_: ["claims", "commands"])  # the code may have changed
    return {"parallel_read_safe": True}
