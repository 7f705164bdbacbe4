"""Check and measure fer_tune on an NVIDIA GPU: run the tests marked `gpu`, then print tables."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.gpu_check.graphics_card import describe_machine, require_gpu, require_packages
from fer_tune.common import cli
from fer_tune.common.errors import explain_os_errors
from fer_tune.trial.gpu_errors import explain_out_of_memory

ROOT = Path(__file__).parents[2]
# Only the tests' own conftest.py: the one above it needs Ray and MLflow.
TESTS = [
    *("-q", "--tb=short", "-W", "default", "-p", "no:cacheprovider"),
    *("-p", "pytest_timeout", "--timeout=90", "--confcutdir=tests/gpu", "tests/gpu"),
]
TEST_SECONDS = 240  # after which the tests are stopped
_BEGAN = time.perf_counter()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the tests, measure, print tables and write everything as JSON; exit 1 if a test fails."""
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
    content: dict[str, object] = {"machine": describe_machine()}
    write(out, content)
    report("tests")
    content["tests_passed"] = _run_tests()
    write(out, content)
    _measure(out, content)
    report(f"done; everything is in {out}")
    if not content["tests_passed"]:
        report("a test has failed: see above")
    sys.exit(0 if content["tests_passed"] else 1)


def report(step: str) -> None:
    """Print what the check does now, after how many seconds."""
    print(f"[{time.perf_counter() - _BEGAN:4.0f} s] {step}", flush=True)


def write(path: Path, content: dict[str, object]) -> None:
    """Write what is known so far. Raises UserError if it cannot be written."""
    with explain_os_errors(f"{path} cannot be written", "choose another file with --out"):
        path.write_text(json.dumps(content, indent=1) + "\n")


def _run_tests() -> bool:
    """Return whether all tests pass, in a process whose memory of the GPU is free afterwards."""
    # Plugins of the other machine may not fit to the bundle's pytest.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", *TESTS]
    with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True) as tests:
        try:
            return not tests.wait(TEST_SECONDS)
        except subprocess.TimeoutExpired:
            report(f"the tests were stopped after {TEST_SECONDS} seconds")
            return False
        finally:
            # With the processes that the tests started.
            with suppress(ProcessLookupError):
                os.killpg(tests.pid, signal.SIGKILL)


@explain_out_of_memory()
def _measure(out: Path, content: dict[str, object]) -> None:
    """Print each table as soon as it is measured, and add it to the file."""
    from benchmarks.gpu_check import tables
    from benchmarks.gpu_check.process_sharing import measure_process_sharing
    from benchmarks.gpu_check.trial_speed import measure_networks, measure_product_flops

    # First, while this process has no tensors on the GPU.
    sharing = measure_process_sharing(report)
    content["sharing"] = {str(count): speed._asdict() for count, speed in sharing.items()}
    write(out, content)
    products = measure_product_flops()
    networks = measure_networks(report)
    content |= {"product_flops": products, "networks": [own._asdict() for own in networks]}
    write(out, content)
    print(tables.format_machine(describe_machine()))
    print(tables.format_networks(networks, products))
    print(tables.format_sharing(sharing, describe_machine()))


if __name__ == "__main__":
    cli.run_command(main)
