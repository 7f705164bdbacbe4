import subprocess
import sys
from pathlib import Path

import pytest

from fer_tune.common.errors import UserError
from fer_tune.common.lock import hold_lock

WAITS = """
import sys
from pathlib import Path
from fer_tune.common.lock import hold_lock
print("here", flush=True)
with hold_lock(Path(sys.argv[1]), "a study", wait=True):
    print("its turn", flush=True)
"""


def test_a_second_one_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    file = tmp_path / "study" / ".lock"
    with (
        hold_lock(file, "study first"),
        pytest.raises(UserError, match="study first is running already"),
        hold_lock(file, "study first"),
    ):
        pass
    with hold_lock(file, "study first"):
        pass


def test_one_that_may_wait_goes_on_when_the_first_is_over(tmp_path: Path) -> None:
    file = tmp_path / "study" / ".lock"
    with hold_lock(file, "study first"):
        waiting = subprocess.Popen(
            [sys.executable, "-c", WAITS, str(file)], stdout=subprocess.PIPE, text=True
        )
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "here\n"
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.5)
    assert waiting.communicate(timeout=60)[0] == "its turn\n"
