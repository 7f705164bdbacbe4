"""python -m fer_tune.data: what is in a set of faces, and what is wrong with it."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fer_tune.common.cli import CommandParser, format_program_name, parse_path, run_command
from fer_tune.common.errors import UserError
from fer_tune.data.audit import Audit, audit_splits
from fer_tune.data.faces import SPLIT_NAMES, Splits
from fer_tune.data.resampling import DATA_PLANS, DataPlan, apply_data_plan

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_EXAMPLE = """\
example:
  %(prog)s fer2013.csv --plan balanced
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Show what the faces are that a command line names, and draw two pictures of them."""
    args = build_parser().parse_args(argv)

    from fer_tune.common.console import create_console
    from fer_tune.data.load import load_splits

    console = create_console()
    splits = load_splits(args.path, skip_bad=args.skip_bad)
    found = audit_splits(splits)
    if not args.json:
        _print_audit(console, splits, found)
    out = args.out or Path("mlruns", "data", _slugify_source(splits.source))
    try:
        written = _draw_plots(splits, found, out, args.plan)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}; name another --out") from None
    if args.json:
        print(_to_json(splits, found, written))
    else:
        console.print("\nPictures:", *written, sep="\n", soft_wrap=True)


def build_parser() -> CommandParser:
    """What reads the command line."""
    made = CommandParser(
        prog=format_program_name("data"),
        description="Show what is in a set of faces: counts, twins, leaks, conflicts, blanks.",
        epilog=_EXAMPLE,
    )
    made.add_argument(
        "path",
        nargs="?",
        type=parse_path,
        help="fer2013.csv, image folders by class, a zip of either, or parquet "
        "(default: FER_TUNE_DATA, else data/, else the demo faces)",
    )
    made.add_argument("--skip-bad", action="store_true", help="leave out what cannot be read")
    made.add_argument(
        "--out", type=parse_path, help="folder for the pictures (default: mlruns/data/NAME)"
    )
    made.add_argument(
        "--plan", choices=DATA_PLANS, help="draw a third picture: faces as this data plan has them"
    )
    made.add_argument("--json", action="store_true", help="print JSON, for programs")
    return made


def _slugify_source(source: str) -> str:
    return re.sub(r"[^\w.-]+", "-", Path(source).stem).strip("-.") or "faces"


def _print_audit(console: "Console", splits: Splits, audit: Audit) -> None:
    console.print(_build_table(splits.source, audit))
    for line in ("", splits.protocol, *splits.notes, "", *audit.summarize_findings()):
        console.print(line)


def _to_json(splits: Splits, audit: Audit, plots: Sequence[Path]) -> str:
    """One object: where the faces are from, the figures of the audit, and the pictures' paths."""
    about = {name: getattr(splits, name) for name in ("source", "protocol", "notes")}
    counts = {
        name: dict(zip(audit.classes, counts.tolist(), strict=True))
        for name, counts in audit.counts.items()
    }
    figures = asdict(audit) | {"counts": counts}
    return json.dumps({**about, **figures, "pictures": [*map(str, plots)]}, indent=2)


def _build_table(source: str, audit: Audit) -> "Table":
    from rich.table import Table

    table = Table(title=source, title_justify="left", box=None, show_footer=True, pad_edge=False)
    table.add_column("class", "all", overflow="fold")
    every = [audit.counts[name] for name in SPLIT_NAMES]
    for name, counts in zip(SPLIT_NAMES, every, strict=True):
        table.add_column(name, f"{counts.sum():,}", justify="right")
        table.add_column("", "", justify="right", style="dim")
    for label in range(len(audit.classes)):
        row = [audit.classes[label]]
        for counts in every:
            row += [f"{counts[label]:,}", f"{counts[label] / counts.sum():.1%}"]
        table.add_row(*row)
    return table


def _draw_plots(splits: Splits, audit: Audit, out: Path, plan: DataPlan | None) -> list[Path]:
    from fer_tune.data import plots as pictures

    bars, faces = out / "class-distribution.png", out / "random-faces.png"
    pictures.plot_class_distribution(audit.counts, splits.classes, bars)
    original = apply_data_plan("original", splits.train, seed=0)
    title = f"{splits.source}: random training faces, and how many there are of each class"
    pictures.plot_faces_by_class(original, splits.classes, faces, title=title)
    if plan is None:
        return [bars, faces]
    planned = out / f"plan-{plan}.png"
    title = f"{splits.source}: faces of the data plan {plan}, and how many it has of each class"
    pictures.plot_faces_by_class(
        apply_data_plan(plan, splits.train, seed=0), splits.classes, planned, title=title
    )
    return [bars, faces, planned]


if __name__ == "__main__":
    run_command(main)
