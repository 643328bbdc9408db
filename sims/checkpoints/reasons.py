"""Why a tensor that is read is no weight: sentences that graphs, names and values all end in."""

BIAS = "biases are kept as they are"
SCALE = "scales are kept as they are"
NORMALISATION = "scales of a normalisation are kept as they are"
VECTOR = "a vector: biases and normalisation are kept as they are"
ADDED = "added and subtracted element by element: no weights of a product"
FIXED = "a fixed array (of sound, of noise), which no training changes"
TABLE = "a table of positions, which no training changes"
