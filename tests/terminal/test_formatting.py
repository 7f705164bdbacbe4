import numpy as np

from fer_tune.terminal.formatting import format_mean_and_std


def test_one_trial_has_no_spread() -> None:
    assert format_mean_and_std([0.5]) == "0.500"
    assert format_mean_and_std([0.4, 0.6]) == f"0.500 ± {np.std([0.4, 0.6], ddof=1):.3f}"
