"""A whole study: ours beside the peer's, and beside the training that is in it."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.benchmark_faces import bench_splits, peer_faces
from benchmarks.benchmark_result import Row, Setup, Target
from benchmarks.processes import run
from fer_tune.data.resampling import apply_data_plan
from fer_tune.events import TrialEnded, TrialStarted
from fer_tune.study.records.event_log import build_trials_from_events, read_events, read_trials
from fer_tune.study.search_space.parameters import Point
from fer_tune.study.search_space.space import find_space_file, load_space
from fer_tune.trial_config import TrialConfig

ROOT = Path(__file__).parents[1]
CONCURRENT = 2  # trials at once, each with one core
GRACE, REDUCTION = 1, 2  # as in Ray's guide for PyTorch

# Trials of equal length: the paper's network on all faces as they are, nothing stopped early.
EQUAL = "parameters:\n  learning_rate: {type: float, low: 0.9e-4, high: 1.1e-4}\n"


@dataclass(frozen=True)
class Size:
    """How large a study is."""

    trials: int
    epochs: int
    faces: int


@dataclass(frozen=True)
class Ran:
    """A study that was run.

    wall: seconds from the command to its end.
    seconds: of every epoch of every trial.
    faces: trained on in all of them.
    """

    wall: float
    seconds: Sequence[float]
    faces: int

    @property
    def faces_a_second(self) -> float:
        return self.faces / self.wall

    def told(self) -> dict[str, float]:
        return {
            "wall_s": self.wall,
            "epochs": len(self.seconds),
            "epoch_s": mean(self.seconds),
            "faces_a_second": self.faces_a_second,
        }


def study(setup: Setup) -> list[Row]:
    """Trials an hour beside the peer's, and what a study adds to its training."""
    return [*_beside_the_peer(setup), _beside_its_training(setup)]


def _beside_the_peer(setup: Setup) -> list[Row]:
    size = Size(3, 2, 500) if setup.quick else Size(8, 4, 6_000)
    splits = bench_splits(setup.faces)
    faces = peer_faces(splits, size.faces, setup.folder / "faces")
    points = _points(size.trials)
    plans = {TrialConfig.model_validate(point).data_plan for point in points}
    plan_faces = {
        str(plan): len(apply_data_plan(plan, faces.train, seed=0).faces) for plan in plans
    }
    (setup.folder / "points.json").write_text(json.dumps(points))
    (setup.folder / "space.yaml").write_text(_space_of(points))
    ran: dict[str, list[Ran]] = {"ours": [], "peer": [], "peer, actors reused": []}
    for repeat in range(setup.repeats):
        for name, results in ran.items():
            out = setup.folder / f"{name.replace(', ', '-').replace(' ', '-')}-{repeat}"
            if name == "ours":
                results.append(_our_study(setup, size, out, plan_faces))
            else:
                more = ["--reuse-actors"] if "reused" in name else []
                results.append(_peer_study(setup.folder, size, out, plan_faces, more))
            last = results[-1]
            setup.say(
                f"study: {repeat + 1}/{setup.repeats} {name}: {last.wall:.0f} s "
                f"for {len(last.seconds)} epochs in {size.trials} trials"
            )
    counts = {"trials": size.trials, "epochs_at_most": size.epochs, "faces": len(faces.train)}
    return [row for name in ("peer", "peer, actors reused") for row in _rows(name, ran, counts)]


def _rows(name: str, ran: Mapping[str, Sequence[Ran]], counts: Mapping[str, int]) -> list[Row]:
    """Ours over the peer's: by trials, and by faces, since ASHA may stop other trials there."""
    pairs = list(zip(ran["ours"], ran[name], strict=True))
    told = {"ours": [a.told() for a, _ in pairs], name: [b.told() for _, b in pairs], **counts}
    by_trials = [theirs.wall / ours.wall for ours, theirs in pairs]
    by_faces = [ours.faces_a_second / theirs.faces_a_second for ours, theirs in pairs]
    target = Target("at least", 3) if name == "peer" else None
    return [
        Row("c", f"study, trials an hour, over the {name}", "x", by_trials, target, told),
        Row("c", f"study, faces trained an hour, over the {name}", "x", by_faces),
    ]


def _points(trials: int) -> list[Point]:
    """The trials of both sides: the space's own first ones, then drawn from it once for all."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = load_space(find_space_file("paper"))
    drawn = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = space.list_first_points()
    while len(points) < trials:
        points.append(dict(drawn.ask(space.to_distributions()).params))
    return points[:trials]


def _space_of(points: Sequence[Point]) -> str:
    space = load_space(find_space_file("paper"))
    return space.model_copy(update={"first_trials": tuple(points[1:])}).to_yaml()


def _our_study(setup: Setup, size: Size, out: Path, plan_faces: Mapping[str, int]) -> Ran:
    asha = ["--grace", str(GRACE), "--reduction", str(REDUCTION)]
    wall = run_search(setup.faces, setup.folder / "space.yaml", size, out, asha)
    seconds, seen = [], 0
    for trial in read_trials(study_folder(out)):
        seconds += [result.seconds for result in trial.history]
        seen += len(trial.history) * plan_faces[trial.config.data_plan]
    return Ran(wall, seconds, seen)


def run_search(
    faces: Path | None, space: Path, size: Size, out: Path, more: Sequence[str] = ()
) -> float:
    """A study by the command, as people run it; the seconds that it took.

    out: takes its records, MLflow's among them.
    """
    data = [] if faces is None else ["--data", str(faces.resolve())]
    given = {
        "--space": space,
        "--trials": size.trials,
        "--epochs": size.epochs,
        "--train-faces": size.faces,
        "--concurrent": min(CONCURRENT, size.trials),
        "--cpus-per-trial": 1,
        "--storage": "studies",
        "--tracking-uri": "mlruns",
    }
    named = [str(part) for pair in given.items() for part in pair]
    out.mkdir()
    return run([sys.executable, "-m", "fer_tune.search", *data, *named, *more], out, out)


def study_folder(out: Path) -> Path:
    """Of the only study that ran in `out`."""
    (journal,) = out.glob("studies/*/journal.jsonl")
    return journal.parent


def _peer_study(
    folder: Path, size: Size, out: Path, plan_faces: Mapping[str, int], more: Sequence[str]
) -> Ran:
    given = {
        "--faces": folder / "faces",
        "--points": folder / "points.json",
        "--out": out,
        "--epochs": size.epochs,
        "--grace": GRACE,
        "--reduction": REDUCTION,
        "--concurrent": CONCURRENT,
    }
    named = [str(part) for pair in given.items() for part in pair]
    out.mkdir()
    wall = run([sys.executable, "-m", "benchmarks.reference_study", *named, *more], ROOT, out)
    trials = json.loads((out / "trials.json").read_text())
    seconds = [each for trial in trials for each in trial["seconds"]]
    seen = sum(len(each["seconds"]) * plan_faces[each["config"]["data_plan"]] for each in trials)
    return Ran(wall, seconds, seen)


def _beside_its_training(setup: Setup) -> Row:
    size = Size(2, 2, 300) if setup.quick else Size(8, 2, 6_000)
    (space := setup.folder / "equal.yaml").write_text(EQUAL)
    ratios, details = [], []
    for repeat in range(setup.repeats):
        out = setup.folder / f"equal-{repeat}"
        run_search(setup.faces, space, size, out, ["--grace", str(size.epochs)])
        wall, training = wall_and_training(study_folder(out))
        ratios.append(wall / training)
        details.append({"wall_s": wall, "training_s": training})
        setup.say(f"study: {repeat + 1}/{setup.repeats} {wall:.1f} s for {training:.1f} s of it")
    what = "study, over its trials' training / 2 at once"
    return Row("d", what, "x", ratios, Target("at most", 1.05), {"studies": details})


def wall_and_training(folder: Path) -> tuple[float, float]:
    """Seconds from the first trial's beginning to the last one's end, and those of training.

    The latter are the epochs' own seconds, divided by how many trials run at once.
    """
    events = list(read_events(folder))
    began = min(event.time for event in events if isinstance(event, TrialStarted))
    ended = max(event.time for event in events if isinstance(event, TrialEnded))
    training = sum(
        result.seconds for trial in build_trials_from_events(events) for result in trial.history
    )
    return (ended - began) / 1000, training / CONCURRENT
