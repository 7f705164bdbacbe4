"""The command export: write a model as an ONNX file, for programs without PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fer_tune.common import cli
from fer_tune.common.atomic import write_file
from fer_tune.common.errors import UserError, explain_os_errors

_EXAMPLE = """\
examples:
  %(prog)s --to onnx
  %(prog)s models:/fer_tune/3 --to onnx
"""
ONNX_FILE, DESCRIPTION_FILE = "model.onnx", "model.json"


def build_parser() -> cli.CommandParser:
    """Return the parser of the command line."""
    parser = cli.CommandParser(
        prog=cli.format_program_name("export"),
        description="Write a model as ONNX, with everything from grey bytes to probabilities. "
        "onnxruntime checks that it predicts the same as the model.",
        epilog=_EXAMPLE,
    )
    add, text = parser.add_argument, cli.parse_nonempty
    default = "(default: the champion, else the newest retrained model)"
    model = f"models:/NAME@ALIAS, models:/NAME/VERSION or models:/ID {default}"
    add("model", nargs="?", type=text, metavar="MODEL", help=model)
    folder = f"folder for {ONNX_FILE} and {DESCRIPTION_FILE}, new or empty"
    add("--to", type=cli.parse_path, required=True, metavar="DIR", help=folder)
    add("--tracking-uri", type=text, metavar="URI", help="as for the search")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Write the model as ONNX, check it, and move it to the folder."""
    args = build_parser().parse_args(argv)
    advice = "name another folder with --to"
    with explain_os_errors(f"{args.to} cannot be read", advice):
        if args.to.exists() and (not args.to.is_dir() or any(args.to.iterdir())):
            raise UserError(f"{args.to} is not an empty folder; {advice}")
    _require_packages()
    from fer_tune.common.console import create_console, show_step
    from fer_tune.export import onnx_file
    from fer_tune.tracking.models.find_model import find_model
    from fer_tune.tracking.models.log_model import load_classifier
    from fer_tune.tracking.registry import find_default_model_uri
    from fer_tune.tracking.store import open_store

    console = create_console()
    with show_step(console, "loading the model"):
        store = open_store(args.tracking_uri, create=False, needs_write=False)
        uri = find_model(store, args.model or find_default_model_uri(store)).fixed_uri
        model, classes = load_classifier(store, uri)
    with TemporaryDirectory() as folder:
        path = Path(folder, ONNX_FILE)
        with show_step(console, "writing and checking the ONNX file"):
            onnx_file.write_onnx_file(model, classes, path)
            difference = onnx_file.check_onnx_file(model, path)
        description = onnx_file.describe_model(uri, classes)
        with explain_os_errors(f"{args.to} cannot be written", advice):
            _write_files(args.to, path.read_bytes(), description)
    console.print(
        f"{args.to / ONNX_FILE}: {uri} as ONNX. On {onnx_file.CHECKED_FACES} faces, its "
        f"probabilities differ from the model's by {difference:.1g} at most.",
        soft_wrap=True,
    )


def _require_packages() -> None:
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        install = f"{cli.find_command('python')} -m pip install 'fer_tune[export]'"
        raise UserError(f"export needs {error.name}, which is not installed: {install}") from None


def _write_files(folder: Path, content: bytes, description: str) -> None:
    try:
        write_file(folder / ONNX_FILE, content)
        write_file(folder / DESCRIPTION_FILE, description.encode())
    except BaseException:
        (folder / ONNX_FILE).unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    cli.run_command(main)
