import numpy as np

from fer_tune.terminal.formatting import mean_and_spread


def test_one_trial_has_no_spread() -> None:
    assert mean_and_spread([0.5]) == "0.500"
    assert mean_and_spread([0.4, 0.6]) == f"0.500 ± {np.std([0.4, 0.6], ddof=1):.3f}"
