"""All commands under one name. Everything heavy is imported inside the command that needs it."""

from cyclopts import App

from snapcut.commands.check import check
from snapcut.commands.explore import explore
from snapcut.commands.figures import figures
from snapcut.commands.layer import layer
from snapcut.commands.report import report
from snapcut.commands.simulate import simulate
from snapcut.commands.sweep import sweep
from snapcut.commands.ticket import ticket
from snapcut.commands.tune import tune
from snapcut.commands.warm import warm
from snapcut.commands.weights import weights

app = App(
    name="snapcut",
    version=lambda: __import__("importlib.metadata").metadata.version("snapcut"),
    help="Snap or cut? Check, draw and explore the theory of quantizing and pruning neural networks.",
)
for command in (check, figures, simulate, weights, ticket, layer, sweep, tune, explore, report, warm):
    app.command(command)
app.register_install_completion_command(help="Let the shell complete commands and options (bash, zsh, fish).")
