"""What the rooms of the simulations share."""

import pytest


@pytest.fixture
def dask_cluster():
    """Start a Dask cluster on this machine: so many workers of one thread, the dashboard on a free port."""

    def start(workers: int):
        distributed = pytest.importorskip("distributed", reason="the cluster extra is not installed")
        return distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        )

    return start
