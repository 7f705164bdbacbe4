"""python -m fer_tune.data: an audit of a data set, with plots of its classes and faces."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer_tune.common import cli
from fer_tune.common.errors import explain_os_errors
from fer_tune.common.safe_text import make_folder_name
from fer_tune.data.audit import Audit, audit_splits
from fer_tune.data.faces import SPLIT_NAMES, Splits
from fer_tune.data.read_options import LABELS_HELP, VOTES_HELP, ReadOptions, parse_labels
from fer_tune.data.resampling import DATA_PLANS, DataPlan, apply_data_plan

if TYPE_CHECKING:
    from rich.table import Table

_EXAMPLE = """\
example:
  %(prog)s fer2013.csv --plan balanced
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Print an audit of a data set, and plot its classes and random faces."""
    args = build_parser().parse_args(argv)

    from fer_tune.common.console import create_console, show_step
    from fer_tune.data.load import load_splits

    console = create_console()
    with show_step(console, "reading the faces"):
        splits = load_splits(args.path, ReadOptions(args.skip_bad, args.labels, args.votes))
        audit = audit_splits(splits)
    if not args.json:
        console.print(_build_table(splits.source, audit))
        lines = "", splits.protocol, *splits.notes, "", *audit.summarize_findings()
        console.print(*lines, sep="\n")
    folder = args.out or Path("mlruns", "data", make_folder_name(Path(splits.source).stem))
    with explain_os_errors(f"{folder} cannot be written", "name another folder with --out"):
        plots = _draw_plots(splits, audit, folder, args.plan)
    if args.json:
        print(_to_json(splits, audit, plots))
    else:
        console.print("\nPlots:", *plots, sep="\n", soft_wrap=True)


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("data"),
        description="Check a set of faces: count classes, duplicates and near-duplicates in a "
        "split and between splits, conflicting labels and blank images, and plot some faces.",
        epilog=_EXAMPLE,
    )
    formats = "fer2013.csv, image folders by class, a zip of either, or parquet"
    default = "(default: $FER_TUNE_DATA, else data/, else the demo faces)"
    parser.add_argument("path", nargs="?", type=cli.parse_path, help=f"{formats} {default}")
    parser.add_argument("--skip-bad", action="store_true", help="leave out what cannot be read")
    parser.add_argument("--labels", type=parse_labels, metavar="PAIRS", help=LABELS_HELP)
    parser.add_argument("--votes", type=cli.parse_path, metavar="FILE", help=VOTES_HELP)
    output_help = "folder for the plots (default: mlruns/data/NAME)"
    parser.add_argument("--out", type=cli.parse_path, metavar="FOLDER", help=output_help)
    parser.add_argument("--plan", choices=DATA_PLANS, help="also plot faces of this data plan")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    uri_help = "as for the search; without effect, since the command reads no study"
    parser.add_argument("--tracking-uri", type=cli.parse_nonempty, metavar="URI", help=uri_help)
    return parser


def _to_json(splits: Splits, audit: Audit, plots: Sequence[Path]) -> str:
    """Return one object: the source of the faces, the audit's figures, the plots' paths."""
    about = {name: getattr(splits, name) for name in ("source", "protocol", "notes")}
    counts = {
        name: dict(zip(audit.classes, counts.tolist(), strict=True))
        for name, counts in audit.counts.items()
    }
    figures = asdict(audit) | {"counts": counts}
    return json.dumps({**about, **figures, "pictures": [*map(str, plots)]}, indent=2)


def _build_table(source: str, audit: Audit) -> "Table":
    from fer_tune.common.fitted_table import FittedTable

    table = FittedTable(title=source, title_justify="left", box=None, show_footer=True)
    table.pad_edge, table.optional = False, (6, 4, 2)
    table.add_column("class", "all", overflow="fold")
    for name in SPLIT_NAMES:
        total = f"{audit.counts[name].sum():,}"
        table.add_column(name, total, justify="right", no_wrap=True)
        table.add_column("", "", justify="right", style="dim", no_wrap=True)
    for label, class_name in enumerate(audit.classes):
        row = [class_name]
        for name in SPLIT_NAMES:
            counts = audit.counts[name]
            row += [f"{counts[label]:,}", f"{counts[label] / counts.sum():.1%}"]
        table.add_row(*row)
    return table


def _draw_plots(splits: Splits, audit: Audit, folder: Path, plan: DataPlan | None) -> list[Path]:
    from fer_tune.data import plots

    drawn = [folder / "class-distribution.png"]
    plots.plot_class_distribution(audit.counts, splits.classes, drawn[0])
    plans: dict[DataPlan, tuple[str, str]] = {"original": ("random-faces", "random training faces")}
    if plan:
        plans[plan] = f"plan-{plan}", f"faces of the data plan {plan}"
    for name, (file, subject) in plans.items():
        faces = apply_data_plan(name, splits.train, seed=0).faces
        shuffled = faces.take(np.random.default_rng(0).permutation(len(faces)))
        title = f"{splits.source}: {subject}, with the number of faces of each class"
        drawn.append(folder / f"{file}.png")
        plots.plot_faces_by_class(shuffled, splits.classes, drawn[-1], title=title)
    if audit.near_pairs:
        drawn.append(folder / "near-duplicates.png")
        title = f"{splits.source}: near-duplicates, with their different bits of 144"
        plots.plot_near_duplicates(splits, audit.near_pairs, drawn[-1], title=title)
    return drawn


if __name__ == "__main__":
    cli.run_command(main)
