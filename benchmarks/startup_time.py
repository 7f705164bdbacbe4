"""How soon a command answers, and how soon it trains."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.benchmark_faces import FULL, bench_splits, repeated
from benchmarks.benchmark_result import Row, Setup, Target
from benchmarks.processes import run
from benchmarks.study_speed import Size, run_search, study_folder
from fer_tune.data.faces import Faces
from fer_tune.events import EpochEnded
from fer_tune.study.records.event_log import read_events
from fer_tune.trial_config import BASELINE

USAGES = {"Training": FULL, "PublicTest": 3_589, "PrivateTest": 3_589}

# Importing what loads faces is part of loading them; starting Python is not.
LOAD = """
import json, sys, time
began = time.perf_counter()
from pathlib import Path
from fer_tune.data.load import load_splits
imported = time.perf_counter()
splits = load_splits(Path(sys.argv[1]))
print(json.dumps([imported - began, time.perf_counter() - imported, len(splits.train)]))
"""


def start(setup: Setup) -> list[Row]:
    """From the command line to help, to the first training step, and to decoded faces."""
    return [_help(setup), _first_step(setup), *_decoding(setup)]


def _help(setup: Setup) -> Row:
    command = [sys.executable, "-m", "fer_tune.search", "--help"]
    out = setup.folder / "help"
    out.mkdir()
    samples = [median(run(command, out, out) for _ in range(5)) for _ in range(setup.repeats)]
    setup.say(f"start: --help after {median(samples):.2f} s")
    return Row("i", "--help", "s", samples, Target("at most", 0.5))


def _first_step(setup: Setup) -> Row:
    """A study of one trial with a single batch, until the epoch that is this step begins."""
    (space := setup.folder / "one.yaml").write_text(
        "parameters:\n  dropout: {type: float, low: 0.2, high: 0.3}\n"
    )
    bench_splits(setup.faces)  # from now on cached
    samples, reported = [], []
    for repeat in range(setup.repeats):
        out = setup.folder / f"first-{repeat}"
        began = time.time()
        run_search(setup.faces, space, Size(1, 1, BASELINE.batch_size), out)
        (epoch,) = (e for e in read_events(study_folder(out)) if isinstance(e, EpochEnded))
        reported.append(epoch.time / 1000 - began)
        samples.append(reported[-1] - epoch.result.seconds)
        setup.say(f"start: {repeat + 1}/{setup.repeats} training after {samples[-1]:.1f} s")
    what = "first training step, from the command, faces cached"
    return Row("i", what, "s", samples, Target("at most", 12), {"epoch_reported_s": reported})


def _decoding(setup: Setup) -> list[Row]:
    csv = setup.folder / "fer2013.csv"
    setup.say("start: writing a CSV as large as FER2013's")
    _write_csv(csv, bench_splits(setup.faces).train, share=0.2 if setup.quick else 1)
    first, cached = [], []
    for repeat in range(setup.repeats):
        cache = setup.folder / f"cache-{repeat}"
        first.append(_load_seconds(csv, cache))
        cached.append(_load_seconds(csv, cache))
        setup.say(
            f"start: {repeat + 1}/{setup.repeats} decoded in {sum(first[-1]):.2f} s, "
            f"cached {sum(cached[-1]):.2f} s"
        )
    size = f"{csv.stat().st_size / 1e6:.0f} MB"
    rows = []
    for what, times, bound in (("first decode", first, 6), ("cached start", cached, 0.3)):
        parts = {"import_s": [each[0] for each in times], "load_s": [each[1] for each in times]}
        target = Target("at most", bound)
        rows.append(Row("i", f"{what} of a CSV of {size}", "s", [*map(sum, times)], target, parts))
    return rows


def _write_csv(path: Path, faces: Faces, share: float) -> None:
    texts = [str(value) for value in range(256)]
    with path.open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for usage, count in USAGES.items():
            own = repeated(faces, int(count * share))
            for image, label in zip(own.images, own.labels, strict=True):
                pixels = " ".join(map(texts.__getitem__, image.ravel().tolist()))
                file.write(f"{label},{pixels},{usage}\n")


def _load_seconds(csv: Path, cache: Path) -> tuple[float, float]:
    """Seconds of importing and of loading, in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(csv)],
        env=os.environ | {"FER_TUNE_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    imported, loaded, _ = json.loads(done.stdout)
    return imported, loaded
