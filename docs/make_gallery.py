"""Write docs/gallery.md and its pictures: every figure with what it shows, its command and its parameters.

python docs/make_gallery.py            the page and every picture (about a minute)
python docs/make_gallery.py snr_       the page and these pictures
"""

import io
import sys
from pathlib import Path

from figures import build

HERE = Path(__file__).parent
PICTURES = HERE / "images" / "gallery"
WIDTH = 640  # pixels; the commands beside the pictures make them in full
HEAD = """# Gallery

Every figure, what it shows, and how to make it with parameters of your own. `snapcut figures NAME` writes
PNG, PDF, the data as CSV and a manifest; `--set KEY=VALUE` changes a parameter, `--width 5.5` lays the figure
out for the text width of a paper. In Python, `snapcut.figure("NAME", KEY=VALUE)` is the same, its data and
its drawing included ([notebook](notebook_figure.md)); `figures.NAME.data(KEY=VALUE)` is the table alone.
Made by `python docs/make_gallery.py`.
"""


def page() -> str:
    """The page as Markdown.

    Examples
    --------
    >>> "`snapcut figures snr_gaussian --set bits=4`" in page()
    True
    """
    parts = [HEAD]
    for row in build.listing():
        name, known = row["figure"], row["parameters"].split()
        example = f" --set {known[0]}" if known else ""
        parts.append(
            f"## {name}\n\n"
            f"![{row['title']}](images/gallery/{name}.png)\n\n"
            f"**{row['title']}.** {row['shows']}.\n\n"
            f"`snapcut figures {name}{example}`\n\n"
            f"Parameters: {', '.join(f'`{one}`' for one in known) or 'none'}.\n"
        )
    return "\n".join(parts)


def picture(png: bytes) -> bytes:
    """A small copy of a figure, in a palette."""
    from PIL import Image  # matplotlib needs it too

    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((WIDTH, 2 * WIDTH), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.quantize(255).save(file, "png", optimize=True)
    return file.getvalue()


def main(patterns: list[str]) -> None:
    """Write the page and the pictures."""
    PICTURES.mkdir(exist_ok=True)
    (HERE / "gallery.md").write_text(page(), encoding="utf-8")
    for one in build.build_all(patterns):
        (PICTURES / f"{one.name}.png").write_bytes(picture(one.png))


if __name__ == "__main__":
    main(sys.argv[1:])
