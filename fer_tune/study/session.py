"""A connection to Ray: to a cluster, or to one of its own on this machine."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from fer_tune.errors import UserError
from fer_tune.study.resources import Machine, this_machine

# Ray reads these when it is imported.
ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # With a callback of ours, Tune would add loggers for CSV and TensorBoard, which nobody reads.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}


@contextmanager
def ray_session(address: str | None) -> Iterator[Machine]:
    """Connect to the Ray cluster at `address`, or start Ray here; and leave it in the end.

    Yields what there is to divide among trials. Raises UserError where no cluster answers.
    """
    os.environ.update(ENVIRONMENT)
    import ray

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is None:
            machine = this_machine()
            ray.init("local", num_cpus=machine.cores, include_dashboard=False, **quiet)
        else:
            ray.init(address, **quiet)
            there = ray.cluster_resources()
            machine = Machine(int(there.get("CPU", 0)), int(there.get("GPU", 0)))
    except (ConnectionError, ValueError) as error:
        raise UserError(f"--address {address}: no Ray cluster answers there ({error})") from error
    try:
        yield machine
    finally:
        ray.shutdown()
