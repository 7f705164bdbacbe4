import os
import random
import time

import pytest


@pytest.fixture
def chance() -> random.Random:
    """What decides the random moments of a test; printed, so that a failure can be repeated."""
    seed = int(os.environ.get("FER_TUNE_FAULTS_SEED", time.time_ns() % 10**6))
    print(f"repeat with FER_TUNE_FAULTS_SEED={seed}")
    return random.Random(seed)
