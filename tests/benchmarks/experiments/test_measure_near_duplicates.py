import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.experiments import measure_near_duplicates
from benchmarks.experiments.measure_near_duplicates import (
    TRUE_CORRELATION,
    correlate_details,
    main,
)
from fer_tune.data.demo.demo_splits import draw_demo_splits


@pytest.mark.usefixtures("own_folders")
def test_copies_are_found_and_pairs_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = draw_demo_splits().train.images[::10]
    rows = [
        f"{number % 2},{' '.join(map(str, image.ravel()))}\n"
        for number, image in enumerate([*faces, *faces[:9, :, ::-1]])
    ]
    (tmp_path / "faces.csv").write_text("emotion,pixels\n" + "".join(rows))
    monkeypatch.setattr(measure_near_duplicates, "COPIES", 50)
    main([str(tmp_path / "faces.csv")])
    output = capsys.readouterr().out
    assert "| mirror image | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 |" in output
    pairs = re.findall(r"^\| \d+ \| (\d+) \| 0\.\d{3} \|$", output, re.M)
    assert len(pairs) == 5
    assert int(pairs[0]) >= 9


def test_copies_have_the_same_details_and_other_faces_have_not() -> None:
    face, other = draw_demo_splits().train.images[[0, 1000]]
    mirrored = np.ascontiguousarray(face[:, ::-1]) // 2 + 50
    assert correlate_details(face, mirrored) > 0.95
    assert correlate_details(face, other) < TRUE_CORRELATION
