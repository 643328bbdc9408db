"""What is random or heavy: Monte Carlo, solvers, readers of real weights."""
