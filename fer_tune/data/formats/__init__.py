"""The formats of data sets, all decoded into one shape: `DecodedFaces`."""
