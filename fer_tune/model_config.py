"""The shape of a network, without torch, which takes a second to import."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Head = Literal["hidden", "average"]

# Views of a face over which a model averages: the face; with its mirror image; both, three shifts.
TtaName = Literal["none", "mirror", "six"]
VIEWS: dict[TtaName, int] = {"none": 1, "mirror": 2, "six": 6}


class ModelConfig(BaseModel):
    """The shape of a FerNet. The defaults are the paper's network (2.6 M parameters).

    depth: number of convolution blocks; each halves the face's side (48, 24, 12, 6, 3, 1).
    width: channels of the first block; each further block doubles them.
    convolutions: convolutions in a block, all but the first after its pooling. The fifth block has
        one, since a single pixel is left after its pooling.
    residual: add a shortcut past the convolutions after the pooling (He et al. 2016, section 3.2).
        It is unused with a single convolution.
    head: layers after the blocks. With `hidden`, these are two hidden layers over all outputs of
        the last block. With `average`, there is no hidden layer, and each channel is averaged (Lin
        et al. 2014, section 3.2).
    hidden_1, hidden_2: units of the two hidden layers; unused by the head `average`.
    dropout: share of units dropped after each hidden layer, or of the channel means.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    depth: Annotated[int, Field(ge=1, le=5)] = 3
    width: Annotated[int, Field(ge=4, le=256)] = 32
    convolutions: Annotated[int, Field(ge=1, le=3)] = 1
    residual: bool = False
    head: Head = "hidden"
    hidden_1: Annotated[int, Field(ge=8, le=4096)] = 512
    hidden_2: Annotated[int, Field(ge=8, le=4096)] = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.25
