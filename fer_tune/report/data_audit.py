"""The section with the audit of the faces."""

from typing import TYPE_CHECKING

import numpy as np

from fer_tune.data.audit import Audit, audit_splits
from fer_tune.data.faces import SPLIT_NAMES, Splits
from fer_tune.data.load import collect_remarks
from fer_tune.report.plotting import add_legend, draw_picture, truncate_names
from fer_tune.report.section import Picture, Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Data audit"


def build_data_audit_section(splits: Splits | None, missing_reason: str = "") -> Section:
    """Return the section: class counts, exact duplicates, conflicting labels and blank images.

    splits: the study's faces; None if they are not available.
    missing_reason: why they are not available.
    """
    if splits is None:
        return Section(TITLE, missing_reason)
    audit = audit_splits(splits)
    imbalance, *rest = audit.summarize_findings()
    pictures, findings = [_plot_split_counts(audit)], [*collect_remarks(splits), *rest]
    return Section(TITLE, imbalance, splits.protocol, pictures, findings=findings)


def _plot_split_counts(audit: Audit) -> Picture:
    count = len(audit.classes)

    def plot_panels(axes: "list[Axes]") -> None:
        for index, name in enumerate(SPLIT_NAMES):
            counts = audit.counts[name]
            axes[0].barh(
                np.arange(count) + 0.27 * (index - 1),
                100 * counts / max(counts.sum(), 1),
                height=0.25,
                color=("0.35", "0.65", "0.95")[index],
                hatch=("", "", "////")[index],
                label=f"{name} ({counts.sum():,} faces)",
            )
        axes[0].set_yticks(range(count), truncate_names(audit.classes))
        axes[0].invert_yaxis()
        axes[0].set_xlabel("share of the split, in %")
        add_legend(axes[0], 2)

    train = audit.counts["train"]
    alt = "Classes by split. Training faces: " + ", ".join(
        f"{name} {number:,}" for name, number in zip(audit.classes, train, strict=True)
    )
    return draw_picture("audit", alt, plot_panels, height=1.2 + 0.36 * count)
