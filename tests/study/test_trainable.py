from hypothesis import given
from hypothesis import strategies as st

from fer_tune.study.trainable import trial_seed

Seeds = st.integers(0, 2**31 - 1)


@given(Seeds, st.integers(0, 10_000))
def test_a_trials_seed_is_its_own_and_one_that_torch_takes(study: int, number: int) -> None:
    seed = trial_seed(study, number)
    assert seed == trial_seed(study, number)
    assert seed != trial_seed(study, number + 1)
    assert 0 <= seed < 2**32
