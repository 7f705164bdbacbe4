"""A confusion matrix as a picture and as a table; rows are true classes, columns predicted."""

import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fer_tune.tracking.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def confusion_figure(
    confusion: Sequence[Sequence[int]],  # (C, C) counts
    classes: Sequence[str],
    title: str,
) -> "Figure":
    """Counts, and below them the share of their row, which also gives the colour."""
    from matplotlib.figure import Figure

    counts = np.asarray(confusion)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(1.6 + 0.8 * len(classes), 1.2 + 0.8 * len(classes)), dpi=100)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if share[row, column] > 0.5 else "black"
        text = f"{count}\n{share[row, column]:.0%}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    figure.colorbar(picture, ax=axes, shrink=0.8, label="share of the true class")
    return figure


def confusion_table(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """CSV with a row a true class and a column a predicted one."""
    import pandas as pd

    table = pd.DataFrame(confusion, index=list(classes), columns=list(classes))
    return str(table.to_csv(index_label="true", lineterminator="\n"))


def log_confusion(
    store: Store,
    run_id: str,
    name: str,
    confusion: Sequence[Sequence[int]],
    classes: Sequence[str],
    title: str,
) -> None:
    """Keep the picture and the table as artifacts of the run: `<name>.png` and `<name>.csv`."""
    client = store.client()
    client.log_figure(run_id, confusion_figure(confusion, classes, title), f"{name}.png")
    client.log_text(run_id, confusion_table(confusion, classes), f"{name}.csv")


def logged_confusion(store: Store, run_id: str, name: str) -> NDArray[np.int64]:
    """The (C, C) counts that `log_confusion` kept."""
    import pandas as pd

    with tempfile.TemporaryDirectory() as folder:
        table = store.client().download_artifacts(run_id, f"{name}.csv", folder)
        return pd.read_csv(table, index_col="true").to_numpy(dtype=np.int64)
