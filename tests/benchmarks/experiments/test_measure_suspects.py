import numpy as np

from benchmarks.experiments.measure_suspects import format_table
from fer_tune.data.faces import SIDE, Faces


def test_the_table_compares_the_first_suspects_with_all_faces() -> None:
    count = 6000
    labels = np.zeros(count, np.int64)
    votes = np.tile(np.array([1, 0], np.float32), (count, 1))
    votes[:400] = [0, 1]  # outvoted
    votes[400:1000] = [0.5, 0.5]  # disputed only
    votes[5000:] = np.nan
    images = np.zeros((count, SIDE, SIDE), np.uint8)
    ranked = Faces(images, labels, votes=votes, suspect_ranks=np.arange(count))
    _, _, disputed, outvoted = format_table(ranked).splitlines()
    cells = [cell.strip() for cell in disputed.strip("| ").split("|")]
    assert cells == ["disputed", "100.0%", "100.0%", "20.0%", "20.0%", "1.000"]
    cells = [cell.strip() for cell in outvoted.strip("| ").split("|")]
    assert cells[:5] == ["outvoted", "80.0%", "40.0%", "8.0%", "8.0%"]
