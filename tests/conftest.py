"""Settings shared by the whole suite."""

from hypothesis import settings

# The same examples on every machine, and no verdict by the clock: these tests decide a merge.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("ci")
