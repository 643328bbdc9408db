"""Reader of .safetensors: plain data."""

from pathlib import Path

import numpy as np

from sims.checkpoints.tensor import Arrays, about

_SAFETENSORS = {
    **{
        f"{letter}{bits}": f"{kind}{bits // 8}"
        for letter, kind in (("I", "i"), ("U", "u"))
        for bits in (8, 16, 32, 64)
    },
    **{"F16": "f2", "F32": "f4", "F64": "f8", "BOOL": "?"},
    **{"BF16": "u2", "F8_E4M3": "u1", "F8_E5M2": "u1"},
}


_BITS = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}


def read_safetensors(path: Path) -> Arrays:
    """Every tensor of a .safetensors file; types numpy does not have as bits, with the name of the type."""
    import safetensors

    try:
        found = safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise ValueError(f"not a safetensors file ({error})") from None
    for name, entry in sorted(found):
        raw = _SAFETENSORS.get(entry["dtype"])
        if raw is None:
            yield name, np.empty(0, dtype=f"V{min(max(1, len(entry['data'])), 2**30)}"), ""
            continue
        with about(name):
            array = np.frombuffer(entry["data"], np.dtype(raw).newbyteorder("<")).reshape(entry["shape"])
        yield name, array, _BITS.get(entry["dtype"], "")
