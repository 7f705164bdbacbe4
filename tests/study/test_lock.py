from pathlib import Path

import pytest

from fer_tune.errors import UserError
from fer_tune.study.lock import locked


def test_a_second_one_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    with (
        locked(folder, "study first"),
        pytest.raises(UserError, match="study first is running already"),
        locked(folder, "study first"),
    ):
        pass
    with locked(folder, "study first"):
        pass
