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
print("waiting", flush=True)
with hold_lock(Path(sys.argv[1]), "a study", wait=True):
    print("locked", flush=True)
"""


def test_a_second_process_is_refused_while_the_first_holds_the_lock(tmp_path: Path) -> None:
    file = tmp_path / "study" / ".lock"
    with (
        hold_lock(file, "study first"),
        pytest.raises(UserError, match="study first is running already"),
        hold_lock(file, "study first"),
    ):
        pass
    with hold_lock(file, "study first"):
        pass


def test_a_process_that_waits_gets_the_lock_when_the_first_releases_it(tmp_path: Path) -> None:
    file = tmp_path / "study" / ".lock"
    with hold_lock(file, "study first"):
        waiting = subprocess.Popen(
            [sys.executable, "-c", WAITS, str(file)], stdout=subprocess.PIPE, text=True
        )
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "waiting\n"
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.5)
    assert waiting.communicate(timeout=60)[0] == "locked\n"
