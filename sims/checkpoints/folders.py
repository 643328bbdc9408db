"""Networks in several files: a folder, an index that names shards, or one shard of a series."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any

_INDEX = 2**26  # bytes of an index or a config
_WEIGHTS = (  # one network is often stored twice in one folder: the first of these that is there
    *("*.safetensors", "*.gguf", "*.npz", "*.bin", "*.pth", "*.pt", "*.ckpt", "*.onnx", "*.keras", "*.h5"),
    "*.npy",
)
_NO_WEIGHTS = re.compile(
    r"(optimizer|scheduler|training_args|rng_state|scaler|random_states).*", re.IGNORECASE
)
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")


def files_of(path: Path) -> tuple[list[Path], dict[str, str], dict]:
    """The files of the network at `path`, the file of every tensor in an index, and what config.json says.

    Raises
    ------
    ValueError
        A folder without weights, a shard that is missing, or an index that names none.
    """
    if path.is_dir():
        return *_of_folder(path), _config(path)
    if path.name.endswith(".json"):
        return *_of_index(path), _config(path.parent)
    path.stat()  # says what is wrong where it is not there
    return [path], {}, _config(path.parent)


def part_of(path: Path) -> str:
    """One sentence where the file is one shard of several; "" of every other."""
    match = _SHARD.fullmatch(path.name)
    if match is None or int(match[3]) < 2 or path.is_dir():
        return ""
    return f"This is shard {int(match[2])} of {int(match[3])}, a part of a network: name its folder for all."


def _of_folder(folder: Path) -> tuple[list[Path], dict[str, str]]:
    indexes = sorted(folder.glob("*.index.json"))
    if indexes:
        preferred = [one for one in indexes if "safetensors" in one.name] or indexes
        if len(preferred) > 1:
            names = ", ".join(one.name for one in preferred[:4])
            raise ValueError(f"it holds several networks ({names}): name one of these files")
        return _of_index(preferred[0])
    for pattern in _WEIGHTS:
        files = [
            one for one in sorted(folder.glob(pattern)) if one.is_file() and not _NO_WEIGHTS.match(one.name)
        ]
        if files:
            return _of_one_network(files), {}
    if (folder / "saved_model.pb").exists():
        raise ValueError("a SavedModel of TensorFlow is not read: save its weights as .h5 or .npz")
    inside = [one.name for one in sorted(folder.iterdir()) if one.is_dir()][:4]
    hint = f"; there are folders in it: {', '.join(inside)}" if inside else ""
    raise ValueError(f"the folder holds no weight file{hint}")


def _of_one_network(files: list[Path]) -> list[Path]:
    """The files if they are shards of one network, or one file each of its arrays (.npy)."""
    shards = [_SHARD.fullmatch(one.name) for one in files]
    series = {(match[1], match[3]) for match in shards if match}
    if (len(files) == 1 and not series) or files[0].suffix == ".npy":
        return files
    if len(series) == 1 and all(shards):
        ((stem, count),) = series
        ending = files[0].suffix
        whole = [files[0].with_name(f"{stem}-{i + 1:05}-of-{count}{ending}") for i in range(int(count))]
        raise_missing(whole)
        return whole
    names = ", ".join(one.name for one in files[:4])
    raise ValueError(
        f"the folder holds {len(files)} weight files ({names}, ...): name one, or the index of its shards"
    )


def _of_index(path: Path) -> tuple[list[Path], dict[str, str]]:
    content = _json(path)
    table: Any = content.get("weight_map")
    values: list[Any] = list(table.values()) if isinstance(table, dict) else [None]
    if keras := all(isinstance(value, list) for value in values):  # files of every layer, not of every tensor
        values = [name for value in values for name in value]
    if not all(isinstance(name, str) for name in values):
        raise ValueError("this JSON file is no index of shards: it has no weight_map")
    names = list(dict.fromkeys(values))
    if outside := [name for name in names if Path(name).name != name]:
        raise ValueError(f"the index names a file outside its folder: {outside[0][:100]!r}")
    if not names:
        raise ValueError("the index names no file")
    files = [path.with_name(name) for name in sorted(names)]
    raise_missing(files)
    return files, {} if keras else table


def raise_missing(files: list[Path]) -> None:
    """Say which of `files` are not there."""
    missing = [one.name for one in files if not one.exists()]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(f"of {len(files)} shards {missing[0]!r}{others} is missing")


def _json(path: Path) -> dict:
    if path.stat().st_size > _INDEX:
        raise ValueError(f"a JSON file of {path.stat().st_size} bytes")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from None
    if not isinstance(content, dict):
        raise ValueError("its JSON is no object")
    return content


def _config(folder: Path) -> dict:
    """What config.json says, and quantize_config.json of AutoGPTQ; nothing where none can be read."""
    found: dict = {}
    with contextlib.suppress(ValueError, OSError):
        found |= _json(folder / "config.json")
    with contextlib.suppress(ValueError, OSError):
        settings = {"quant_method": "gptq"} | _json(folder / "quantize_config.json")
        found.setdefault("quantization_config", settings)
    return found
