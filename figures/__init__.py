"""One module per figure: data(budget) -> table, draw(table) -> Figure."""
