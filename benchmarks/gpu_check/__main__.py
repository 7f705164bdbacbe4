"""Check and measure fer_tune on an NVIDIA GPU: run the tests marked `gpu`, then print a table."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu_check.graphics_card import describe_machine, require_gpu, require_packages
from fer_tune.common import cli
from fer_tune.common.errors import explain_os_errors
from fer_tune.trial.gpu_errors import explain_out_of_memory

ROOT = Path(__file__).parents[2]
# Only the tests' own conftest.py: the one above it needs Ray and MLflow.
TESTS = ("-q", "-p", "no:cacheprovider", "-W", "default", "--confcutdir=tests/gpu", "tests/gpu")
TEST_SECONDS = 240  # after which the tests are stopped
_BEGAN = time.perf_counter()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tests, measure, print the table and write it as JSON; exit 1 if a test fails."""
    parser = cli.CommandParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument(
        "--out",
        type=cli.parse_path,
        default=Path("gpu-check.json"),
        metavar="FILE",
        help="the JSON file (default: gpu-check.json)",
    )
    out: Path = parser.parse_args(argv).out
    require_packages()
    require_gpu()
    with explain_os_errors(f"{out} cannot be written", "choose another file with --out"):
        out.touch()
    report("tests")
    passed = _run_tests()
    _measure_and_write(out, passed)
    if not passed:
        report("the tests failed: see above")
    sys.exit(0 if passed else 1)


def _run_tests() -> bool:
    """Return whether all tests pass, in a process whose memory of the GPU is free afterwards."""
    command = [sys.executable, "-m", "pytest", *TESTS]
    try:
        return not subprocess.run(command, cwd=ROOT, timeout=TEST_SECONDS).returncode
    except subprocess.TimeoutExpired:
        report(f"the tests were stopped after {TEST_SECONDS} seconds")
        return False


def report(step: str) -> None:
    """Print what the check does now, after how many seconds."""
    print(f"[{time.perf_counter() - _BEGAN:4.0f} s] {step}", flush=True)


@explain_out_of_memory()
def _measure_and_write(out: Path, passed: bool) -> None:
    from benchmarks.gpu_check.process_sharing import measure_process_sharing
    from benchmarks.gpu_check.results import GpuResults
    from benchmarks.gpu_check.trial_speed import measure_networks, measure_product_flops

    # First, while this process holds no memory of the GPU.
    sharing = measure_process_sharing(report)
    networks = measure_networks(report)
    report("a matrix product")
    products = measure_product_flops()
    results = GpuResults(describe_machine(), passed, networks, products, sharing)
    print(results.format_table())
    out.write_text(json.dumps(results.to_json(), indent=1) + "\n")
    report(f"written to {out}")


if __name__ == "__main__":
    cli.run_command(main)
