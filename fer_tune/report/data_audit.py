"""The section with the audit of the faces."""

import numpy as np
from matplotlib.axes import Axes

from fer_tune.data.audit import Audit, audit_splits
from fer_tune.data.faces import SPLIT_NAMES, Splits
from fer_tune.data.load import collect_remarks
from fer_tune.data.subsample import describe_sample
from fer_tune.report.plotting import add_legend, draw_picture, name_rows, truncate_names
from fer_tune.report.section import Picture, Section

TITLE = "Data audit"


def build_data_audit_section(
    splits: Splits | None, missing_reason: str = "", train_faces: int | None = None
) -> Section:
    """Return the section: class counts, duplicates, conflicting labels and blank images.

    splits: the study's faces; None if they are not available.
    missing_reason: why they are not available.
    train_faces: size of the sample that the study trains on; None for the whole training split.
    """
    if splits is None:
        return Section(TITLE, missing_reason)
    audit = audit_splits(splits)
    imbalance, *rest = audit.summarize_findings()
    sample = describe_sample(len(splits.train), train_faces)
    picture, findings = _plot_split_counts(audit, train_faces), [*collect_remarks(splits), *rest]
    note = f"{splits.protocol} {sample}".rstrip()
    return Section(TITLE, imbalance, note, [picture], findings=findings)


def _plot_split_counts(audit: Audit, train_faces: int | None) -> Picture:
    count = len(audit.classes)
    totals = {name: f"{counts.sum():,}" for name, counts in audit.counts.items()}
    if train_faces and train_faces < audit.counts["train"].sum():
        totals["train"] = f"{train_faces:,} of {totals['train']}"

    def plot_panels(axes: list[Axes]) -> None:
        for index, name in enumerate(SPLIT_NAMES):
            counts = audit.counts[name]
            axes[0].barh(
                np.arange(count) + 0.27 * (index - 1),
                100 * counts / max(counts.sum(), 1),
                height=0.25,
                color=("0.35", "0.65", "0.95")[index],
                hatch=("", "", "////")[index],
                label=f"{name} ({totals[name]} faces)",
            )
        name_rows(axes[0], truncate_names(audit.classes), "share of the split, in %")
        add_legend(axes[0], 2)

    train = audit.counts["train"]
    alt = "Classes by split. Training faces: " + ", ".join(
        f"{name} {number:,}" for name, number in zip(audit.classes, train, strict=True)
    )
    return draw_picture(alt, plot_panels, height=1.2 + 0.36 * count)
