"""Settings shared by the whole suite."""

import os

# Before numpy loads: two test processes whose matrix products each start a thread per core spin against one
# another, and products of 100 x 100 take ten times as long as with one thread.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

# The same examples on every machine, and no verdict by the clock: these tests decide a merge.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("ci")
