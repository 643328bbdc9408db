"""Reader of Keras files (.h5, .weights.h5, .keras), through the extra package `h5py`."""

import importlib
import importlib.util
import io
import json
import math
import re
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
_CAPITAL = re.compile(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")  # where Keras breaks the name of a class


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
    classes = _classes(file.attrs.get("model_config"))
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
            tensor = _tensor(child, item, classes)
            read += tensor.nbytes
            INFLATED.check(read, size)
            yield tensor
        pending.extend(reversed(children))


def _classes(config: Any) -> dict[str, str]:
    """Class of every layer by its name, in the letters of a default name, as a whole saved model says.

    Names that two layers of different classes bear are left out.
    """
    try:
        pending = [json.loads(config)] if isinstance(config, (str, bytes)) else []
    except (ValueError, RecursionError):
        return {}
    found: dict[str, str] = {}
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            kind, inner = item.get("class_name"), item.get("config")
            name = inner.get("name") if isinstance(inner, dict) else None
            if isinstance(kind, str) and isinstance(name, str):
                words = _CAPITAL.sub("_", kind).lower()
                found[name] = words if found.get(name, words) == words else ""
        pending.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
    return {name: kind for name, kind in found.items() if kind}


def _tensor(name: str, item: Any, classes: dict[str, str]) -> Tensor:
    if item.external or item.is_virtual:
        return unreadable(name, "its values are in another file, which is not read", 0, item.shape or ())
    if item.shape is None:
        return unreadable(name, "empty")
    nbytes = math.prod(item.shape) * item.dtype.itemsize
    axis = output_axis("/".join(classes.get(part, part) for part in name.split("/")), len(item.shape))
    said = item.attrs.get("dtype")
    if item.dtype.str[1:] in ("V2", "u2") and isinstance(said, str) and said == "bfloat16":  # by Keras
        read = partial(_bfloat16, item)
        return Tensor(name, item.shape, "bfloat16", nbytes, read, axis=axis)
    if why := unreal(item.dtype):
        return unreadable(name, why, nbytes, item.shape, str(item.dtype))
    return Tensor(name, item.shape, item.dtype.name, nbytes, lambda: item[()], axis=axis)


def _bfloat16(item: Any) -> np.ndarray:
    return widen(np.asarray(item[()]).view("<u2"), "bfloat16")
