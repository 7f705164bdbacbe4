import json
from pathlib import Path

import pytest

from benchmarks.balance import main, markdown, run
from benchmarks.kept import read_lines
from fer_tune.data.faces import EMOTIONS
from fer_tune.data.plans import PLAN_NAMES
from tests.data.held import drawn_faces, write_csv


def line(plan: str, seed: int, accuracy: float) -> dict[str, object]:
    scores = {"accuracy": accuracy, "macro_f1": 0.5}
    train = {"accuracy": 0.9, "gap": 0.4}
    of = {"plan": plan, "seed": seed, "epochs": 20, "faces": 4796, "originals": 436}
    return of | {"train": train, "test": scores, "papers_test": scores}


def test_a_row_has_the_mean_and_the_deviation_over_seeds() -> None:
    table = markdown([line("balanced", 0, 0.25), line("balanced", 1, 0.35)])
    row = table.splitlines()[-1]
    assert row.startswith("| balanced | 4,796 (436) | 0.900 ± 0.000 | 0.400 ± 0.000 |")
    assert "| 0.300 ± 0.071 |" in row


def test_a_plan_without_a_run_has_no_row() -> None:
    assert len(markdown([line("original", 0, 0.5)]).splitlines()) == 3


def test_runs_that_the_file_has_are_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "balance.jsonl"
    out.write_text("".join(json.dumps(line(plan, 0, 0.5)) + "\n" for plan in PLAN_NAMES))
    before = out.read_text()
    main([str(tmp_path / "no-faces.csv"), "--seeds", "1", "--out", str(out)])
    assert out.read_text() == before
    assert len(read_lines(out)) == len(PLAN_NAMES)
    assert capsys.readouterr().out.count("\n") == 2 + len(PLAN_NAMES)


def test_a_run_is_tested_on_the_test_faces_and_as_the_paper_did(tmp_path: Path) -> None:
    faces = write_csv(drawn_faces(), tmp_path)
    line = run(faces, "balanced", seed=0, epochs=1)
    assert line["faces"] == line["originals"] * 11
    assert line["epoch"] == 1
    assert set(line["test"]) == set(line["papers_test"]) == {"accuracy", "macro_f1", *EMOTIONS}
