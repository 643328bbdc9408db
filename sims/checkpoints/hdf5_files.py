"""Reader of Keras files (.h5, .weights.h5, .keras), through the extra package `h5py`."""

import importlib
import importlib.util
import io
import math
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sims.checkpoints.elements import widen
from sims.checkpoints.keras_names import output_axis
from sims.checkpoints.limits import INFLATED
from sims.checkpoints.tensor import Tensor, Tensors, unreadable, unreal
from sims.support.extras import to_install

_MOST = 100_000  # objects of one file


def _h5py() -> Any:
    if importlib.util.find_spec("h5py") is None:
        raise ValueError(f"reading Keras files needs the h5py package; {to_install('keras')}")
    return importlib.import_module("h5py")


def read_hdf5(path: Path) -> Tensors:
    """Every numeric array of an HDF5 file; no link to another file is followed."""
    yield from _arrays(_h5py().File(path, "r"), path.stat().st_size)


def read_keras(path: Path) -> Tensors:
    """Every array of a .keras archive; its configuration, which may hold code, is not read."""
    h5py = _h5py()
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("model.weights.h5")
        INFLATED.check(info.file_size, path.stat().st_size)
        data = archive.read(info)
    yield from _arrays(h5py.File(io.BytesIO(data), "r"), len(data))


def _arrays(file: Any, size: int) -> Tensors:
    h5py = _h5py()
    pending = [("", file)]
    seen, read = set(), 0
    while pending:
        name, group = pending.pop()
        children = []
        for key in group:
            link = group.get(key, getlink=True)
            child = f"{name}/{key}" if name else key
            if not isinstance(link, h5py.HardLink):
                yield unreadable(child, "a link to another place, not followed")
                continue
            item = group[key]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:  # one object under two names, or a circle
                continue
            seen.add(address)
            if len(seen) > _MOST:
                raise ValueError(f"more than {_MOST} objects")
            if isinstance(item, h5py.Group):
                children.append((child, item))
                continue
            if not isinstance(item, h5py.Dataset):
                continue
            tensor = _tensor(child, item)
            read += tensor.nbytes
            INFLATED.check(read, size)
            yield tensor
        pending.extend(reversed(children))


def _tensor(name: str, item: Any) -> Tensor:
    if item.external or item.is_virtual:
        return unreadable(name, "its values are in another file, which is not read", 0, item.shape or ())
    if item.shape is None:
        return unreadable(name, "empty")
    nbytes = math.prod(item.shape) * item.dtype.itemsize
    axis = output_axis(name, len(item.shape))
    said = item.attrs.get("dtype")
    if item.dtype.str[1:] in ("V2", "u2") and isinstance(said, str) and said == "bfloat16":  # by Keras
        read = partial(_bfloat16, item)
        return Tensor(name, item.shape, "bfloat16", nbytes, read, axis=axis)
    if why := unreal(item.dtype):
        return unreadable(name, why, nbytes, item.shape, str(item.dtype))
    return Tensor(name, item.shape, item.dtype.name, nbytes, lambda: item[()], axis=axis)


def _bfloat16(item: Any) -> np.ndarray:
    return widen(np.asarray(item[()]).view("<u2"), "bfloat16")
