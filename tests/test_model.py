import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from fer_tune.model import (
    ConvBlock,
    FaceClassifier,
    FerNet,
    count_parameters,
    make_views,
    scale_pixels,
)
from fer_tune.model_config import ModelConfig, TtaName

SMALL = ModelConfig(depth=1, width=4, hidden_1=8, hidden_2=8)
LARGER = ModelConfig(depth=1, width=4, convolutions=2, residual=True, head="average")


def pictures(count: int) -> torch.Tensor:
    return torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)
    )


def test_the_default_network_has_the_papers_2_6_million_parameters() -> None:
    model = FerNet(ModelConfig(), classes=7)
    assert round(count_parameters(model) / 1e6, 1) == 2.6
    layers = [type(module).__name__ for module in model.modules()]
    assert layers.count("Conv2d") == layers.count("BatchNorm2d") == layers.count("MaxPool2d") == 3
    assert layers.count("Linear") == 3
    dropouts = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert dropouts == [0.25, 0.25]


def test_the_parameters_are_those_counted_by_hand() -> None:
    convolution, normalisation = 9 * 4, 2 * 4
    linear = (4 * 24 * 24 + 1) * 8 + (8 + 1) * 8 + (8 + 1) * 7
    assert count_parameters(FerNet(SMALL, classes=7)) == convolution + normalisation + linear


def test_further_convolutions_and_a_mean_are_counted_by_hand() -> None:
    first, second = 9 * 4 + 2 * 4, 9 * 4 * 4 + 2 * 4
    linear = (4 + 1) * 7
    assert count_parameters(FerNet(LARGER, classes=7)) == first + second + linear


@pytest.mark.parametrize("shape", [SMALL, LARGER], ids=["paper's", "larger"])
@pytest.mark.parametrize("classes", [2, 7, 40])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_every_depth_gives_one_logit_a_class(depth: int, classes: int, shape: ModelConfig) -> None:
    model = FerNet(shape.model_copy(update={"depth": depth}), classes)
    assert model(scale_pixels(pictures(3))).shape == (3, classes)


def test_a_shortcut_lets_a_face_past_convolutions_that_give_nothing() -> None:
    model = FerNet(LARGER, classes=7).eval()
    block = model.features[0]
    assert isinstance(block, ConvBlock)
    last = block.further[-1]
    assert isinstance(last, torch.nn.BatchNorm2d)
    torch.nn.init.zeros_(last.weight)
    faces = scale_pixels(pictures(2))
    expected = torch.relu(block.pool(block.first(faces)))
    torch.testing.assert_close(block(faces), expected)


@pytest.mark.parametrize("shape", [SMALL, LARGER], ids=["paper's", "larger"])
def test_the_deepest_network_trains_on_a_batch_of_one_face(shape: ModelConfig) -> None:
    model = FerNet(shape.model_copy(update={"depth": 5}), classes=7).train()
    logits = model(scale_pixels(pictures(1)))
    assert torch.isfinite(logits).all()
    logits.sum().backward()


def test_width_doubles_with_every_block() -> None:
    model = FerNet(SMALL.model_copy(update={"depth": 3}), classes=7)
    convolutions = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [4, 8, 16]


def test_scaled_faces_run_from_0_to_1_and_leave_the_bytes_alone() -> None:
    images = pictures(4)
    before = images.clone()
    faces = scale_pixels(images)
    assert faces.shape == (4, 1, 48, 48)
    assert faces.dtype == torch.float32
    np.testing.assert_allclose(faces.squeeze(1).numpy(), before.numpy() / 255, rtol=1e-6)
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("depth", 0),
        ("depth", 6),
        ("width", 3),
        ("hidden_1", 0),
        ("hidden_2", 5000),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("dropout", math.nan),
        ("convolutions", 4),
        ("head", "attention"),
        ("kernel", 5),
    ],
)
def test_a_setting_out_of_range_or_unknown_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        ModelConfig.model_validate({name: value})


@pytest.mark.parametrize("shape", [SMALL, LARGER], ids=["paper's", "larger"])
def test_a_fused_copy_is_the_same_function_and_leaves_the_model_alone(shape: ModelConfig) -> None:
    torch.manual_seed(0)
    model = FerNet(shape.model_copy(update={"depth": 3}), classes=7).train()
    model(scale_pixels(pictures(32)))  # changes the running statistics
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fused = model.fuse_for_evaluation()
    assert model.training
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fused.modules())
    faces = scale_pixels(pictures(5))
    torch.testing.assert_close(fused(faces), model.eval()(faces), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)


def test_the_views_are_the_face_its_mirror_image_and_three_shifts_of_both() -> None:
    images = scale_pixels(pictures(2))
    assert len(make_views(images, "none")) == 1
    face, mirrored = make_views(images, "mirror")
    assert torch.equal(face, images)
    assert torch.equal(mirrored, images.flip(-1))
    views = make_views(images, "six")
    assert len({view.numpy().tobytes() for view in views}) == 6
    assert {view.shape for view in views} == {images.shape}
    assert torch.equal(views[0], images)
    assert torch.equal(views[3], views[2].flip(-1))


@pytest.mark.parametrize(("tta", "views"), [("none", 1), ("mirror", 2), ("six", 6)])
@pytest.mark.parametrize("networks", [1, 3])
def test_a_classifier_averages_probabilities_over_networks_and_views_then_divides_by_temperature(
    networks: int, tta: TtaName, views: int
) -> None:
    torch.manual_seed(0)
    members, faces = [FerNet(SMALL, classes=7).eval() for _ in range(networks)], pictures(5)
    said = FaceClassifier(members, tta, temperature=2.0).predict_probabilities(faces.numpy())
    with torch.inference_mode():
        images = make_views(scale_pixels(faces), tta)
        each = [member(view).softmax(dim=1) for member in members for view in images]
    assert len(each) == networks * views
    roots = torch.stack(each).mean(dim=0).numpy() ** 0.5
    np.testing.assert_allclose(said, roots / roots.sum(axis=1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(said.sum(axis=1), 1)


@pytest.mark.parametrize("networks", [1, 2])
def test_a_classifier_takes_back_its_weights_and_a_single_network_keeps_its_names(
    networks: int,
) -> None:
    torch.manual_seed(0)
    ours, theirs = (
        FaceClassifier([FerNet(SMALL, classes=7) for _ in range(networks)]) for _ in range(2)
    )
    theirs.load_weights(ours.copy_weights())
    faces = pictures(3).numpy()
    np.testing.assert_array_equal(
        ours.predict_probabilities(faces), theirs.predict_probabilities(faces)
    )
    if networks == 1:
        assert ours.copy_weights().keys() == FerNet(SMALL, classes=7).state_dict().keys()
