"""The explorer: one browser app, a page per subject, drawn by the functions that draw the figures.

page      what a page is
live      simulations that report after every block
picture   themed SVG and files
view      HTML
app       the marimo notebook that ties them together
server    binding, address checks, the browser
"""

from figures.explore.server import serve

__all__ = ["serve"]
