"""Real networks that ship with the project or in a wheel, and data to run them on."""
