"""What the data audit found."""

from typing import TYPE_CHECKING

import numpy as np

from fer_tune.data.audit import Audit, audit
from fer_tune.data.faces import SPLIT_NAMES, Splits
from fer_tune.data.load import remarks
from fer_tune.report.plotting import draw, short_names
from fer_tune.report.section import Picture, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "What the data audit found"


def audited(splits: Splits | None, without: str = "") -> Section:
    """Counts, twins, leaks, conflicts and blanks; `without` says why there are no faces."""
    if splits is None:
        return Section(TITLE, without)
    found = audit(splits)
    imbalance, *rest = found.findings()
    return Section(
        TITLE,
        imbalance,
        splits.protocol,
        [_picture(found)],
        findings=[*remarks(splits), *rest],
    )


def _picture(found: Audit) -> Picture:
    count = len(found.classes)

    def paint(axes: "list[Axes]") -> None:
        for index, name in enumerate(SPLIT_NAMES):
            counts = found.counts[name]
            axes[0].barh(
                np.arange(count) + 0.27 * (index - 1),
                100 * counts / max(counts.sum(), 1),
                height=0.25,
                color=("0.35", "0.65", "0.95")[index],
                hatch=("", "", "////")[index],
                edgecolor="black",
                linewidth=0.5,
                label=f"{name} ({counts.sum():,} faces)",
            )
        axes[0].set_yticks(range(count), short_names(found.classes))
        axes[0].invert_yaxis()
        axes[0].set_xlabel("share of the split, in %")
        axes[0].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)

    train = found.counts["train"]
    alt = "Classes by split. Training faces: " + ", ".join(
        f"{name} {number:,}" for name, number in zip(found.classes, train, strict=True)
    )
    return draw("audit", alt, paint, height=1.2 + 0.36 * count)
