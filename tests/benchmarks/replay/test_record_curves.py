import json
from pathlib import Path

import pytest

from benchmarks.replay import record_curves
from fer_tune.common.errors import UserError
from fer_tune.data.load import load_splits
from tests.data.held import drawn_faces, write_csv


def test_a_table_of_other_faces_is_not_changed(tmp_path: Path) -> None:
    faces, table = write_csv(drawn_faces(), tmp_path), tmp_path / "table.jsonl"
    table.write_text(before := json.dumps({"faces_hash": "others", "number": 0}) + "\n")
    with pytest.raises(UserError, match=r"table\.jsonl has curves of other faces"):
        record_curves.main([str(faces), "--table", str(table)])
    assert table.read_text() == before


def test_missing_configurations_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces, table = write_csv(drawn_faces(), tmp_path), tmp_path / "table.jsonl"
    own = load_splits(faces).content_hash()
    table.write_text(json.dumps({"faces_hash": own, "number": 1}) + "\n")
    recorded: list[int] = []
    monkeypatch.setattr(
        record_curves,
        "run_in_pool_and_append",
        lambda _out, _run, missing, *_: recorded.extend(number for _, number, _ in missing),
    )
    record_curves.main([str(faces), "--table", str(table), "--configurations", "3"])
    assert recorded == [0, 2]
