import time

import pytest

from benchmarks.processes import start_process_pool


def test_a_stopped_benchmark_does_not_wait_for_its_jobs() -> None:
    def start_and_stop() -> None:
        with start_process_pool(1) as pool:
            for _ in range(3):
                pool.submit(time.sleep, 1000)  # longer than a test may take
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_and_stop()
