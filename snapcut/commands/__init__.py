"""One module per command: its options and their help, a call, and what is shown of the answer."""
