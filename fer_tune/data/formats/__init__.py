"""The formats of data sets, all decoded into one shape: `DecodedFaces`."""

from fer_tune.data.formats.decoded_faces import DecodedFaces
from fer_tune.data.formats.detect_format import read_faces

__all__ = ["DecodedFaces", "read_faces"]
