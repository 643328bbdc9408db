"""One module per paper: its claims, each checked and with a power twin."""
