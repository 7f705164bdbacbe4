import pytest
import torch

from fer_tune.model import FaceClassifier, FerNet
from fer_tune.model_config import ModelConfig
from fer_tune.trial.model_cost import measure_cost

CONFIG = ModelConfig(depth=1, width=4, hidden_1=8, hidden_2=8)


def test_the_multiply_adds_are_those_counted_by_hand() -> None:
    convolution, linear = 48 * 48 * 9 * 4, 4 * 24 * 24 * 8 + 8 * 8 + 8 * 7
    assert measure_cost(FaceClassifier([FerNet(CONFIG, 7)])).multiply_adds == convolution + linear


def test_networks_and_views_multiply_the_work_of_a_face_and_networks_the_parameters() -> None:
    one = measure_cost(FaceClassifier([FerNet(CONFIG, 7)]))
    many = measure_cost(FaceClassifier([FerNet(CONFIG, 7) for _ in range(3)], "six"))
    assert many.parameters == 3 * one.parameters
    assert many.multiply_adds == 3 * 6 * one.multiply_adds
    assert many.seconds > 0


@pytest.mark.parametrize(("threads", "text"), [(1, "1 thread"), (2, "2 threads")])
def test_the_conditions_name_the_threads(
    threads: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    conditions = measure_cost(FaceClassifier([FerNet(CONFIG, 7)])).conditions
    assert conditions.startswith(f"on a CPU with {text}, ")
