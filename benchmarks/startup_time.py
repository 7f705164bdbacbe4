"""Start-up time: until --help is printed, until training starts, until faces are decoded."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.benchmark_faces import FER2013_TRAIN_FACES, load_benchmark_splits, repeat_faces
from benchmarks.benchmark_types import BenchmarkResult, BenchmarkSetup, Target
from benchmarks.processes import run_and_time
from benchmarks.run_studies import StudySize, find_study_folder, run_search_command
from fer_tune.data.faces import Faces
from fer_tune.events import EpochEnded
from fer_tune.study.records.event_log import read_events
from fer_tune.trial_config import BASELINE

FACES_BY_USAGE = {"Training": FER2013_TRAIN_FACES, "PublicTest": 3_589, "PrivateTest": 3_589}

# The time to load faces includes the imports, but not the start of Python.
LOAD_SCRIPT = """
import json, sys, time
began = time.perf_counter()
from pathlib import Path
from fer_tune.data.load import load_splits
imported = time.perf_counter()
splits = load_splits(Path(sys.argv[1]))
print(json.dumps([imported - began, time.perf_counter() - imported, len(splits.train)]))
"""


def measure_startup_time(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    """Measure the time until --help, the first training step and decoded faces."""
    return [_measure_help(setup), _measure_first_step(setup), *_measure_decoding(setup)]


def _measure_help(setup: BenchmarkSetup) -> BenchmarkResult:
    command = [sys.executable, "-m", "fer_tune.search", "--help"]
    out = setup.folder / "help"
    out.mkdir()
    samples = [
        median(run_and_time(command, out, out) for _ in range(5)) for _ in range(setup.repeats)
    ]
    setup.report_progress(f"start: --help takes {median(samples):.2f} s")
    return BenchmarkResult("i", "--help", "s", samples, Target("at most", 0.5))


def _measure_first_step(setup: BenchmarkSetup) -> BenchmarkResult:
    """Measure the time from the command to the only epoch of a trial with a single batch."""
    (space := setup.folder / "one.yaml").write_text(
        "parameters:\n  dropout: {type: float, low: 0.2, high: 0.3}\n"
    )
    load_benchmark_splits(setup.faces)  # fills the cache
    samples, reported = [], []
    for repeat in range(setup.repeats):
        out = setup.folder / f"first-{repeat}"
        began = time.time()
        run_search_command(setup.faces, space, StudySize(1, 1, BASELINE.batch_size), out)
        (epoch,) = (e for e in read_events(find_study_folder(out)) if isinstance(e, EpochEnded))
        reported.append(epoch.time / 1000 - began)
        samples.append(reported[-1] - epoch.result.seconds)
        setup.report_progress(
            f"start: {repeat + 1}/{setup.repeats} training starts after {samples[-1]:.1f} s"
        )
    what = "from the command to the first training step, faces cached"
    details = {"epoch_reported_s": reported}
    return BenchmarkResult("i", what, "s", samples, Target("at most", 12), details)


def _measure_decoding(setup: BenchmarkSetup) -> list[BenchmarkResult]:
    csv = setup.folder / "fer2013.csv"
    setup.report_progress("start: writing a CSV of FER2013's size")
    _write_csv(csv, load_benchmark_splits(setup.faces).train, share=0.2 if setup.quick else 1)
    first, cached = [], []
    for repeat in range(setup.repeats):
        cache = setup.folder / f"cache-{repeat}"
        first.append(_measure_loading(csv, cache))
        cached.append(_measure_loading(csv, cache))
        setup.report_progress(
            f"start: {repeat + 1}/{setup.repeats} decoded in {sum(first[-1]):.2f} s, "
            f"cached {sum(cached[-1]):.2f} s"
        )
    size = f"{csv.stat().st_size / 1e6:.0f} MB"
    results = []
    for text, times, bound in (("decode {}", first, 6), ("load {} from the cache", cached, 0.3)):
        imports, loads = map(list, zip(*times, strict=True))
        what, details = text.format(f"a CSV of {size}"), {"import_s": imports, "load_s": loads}
        target = Target("at most", bound)
        results.append(BenchmarkResult("i", what, "s", [*map(sum, times)], target, details))
    return results


def _write_csv(path: Path, faces: Faces, share: float) -> None:
    texts = [str(value) for value in range(256)]  # faster than str() of each pixel
    with path.open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for usage, count in FACES_BY_USAGE.items():
            own = repeat_faces(faces, int(count * share))
            for image, label in zip(own.images, own.labels, strict=True):
                pixels = " ".join(map(texts.__getitem__, image.ravel().tolist()))
                file.write(f"{label},{pixels},{usage}\n")


def _measure_loading(csv: Path, cache: Path) -> tuple[float, float]:
    """Return the seconds to import and to load, in a fresh process."""
    result = subprocess.run(
        [sys.executable, "-c", LOAD_SCRIPT, str(csv)],
        env=os.environ | {"FER_TUNE_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    imported, loaded, _ = json.loads(result.stdout)
    return imported, loaded
