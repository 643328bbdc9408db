"""What a file is, by its contents: endings are often wrong, missing, or somebody else's."""

import zipfile
from pathlib import Path

_FIELDS = (b"\x12", b"\x1a", b"\x22", b"\x28", b"\x32", b"\x3a", b"\x42")
HEAD = 4096  # bytes looked at
# What begins so is no weights; the sentence says what to do.
_NAMED = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: fetch it with `git lfs pull`"),
    (b"# xet version", "a Xet pointer, not the file itself: download the file"),
    (b"<!doctype html", "an HTML page, not weights: the download went wrong (a login or error page?)"),
    (b"<html", "an HTML page, not weights: the download went wrong (a login or error page?)"),
    (b"<?xml", "an XML document, not weights: the download went wrong (an error message of a store?)"),
    (b"%pdf", "a PDF document, not weights"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"rar!", "a RAR archive: unpack it first"),
    (b"bzh", "compressed with bzip2: unpack it first"),
    (b"\xfd7zxz\x00", "compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"ggml", "a GGML file, older than GGUF: convert it first"),
    (b"ggjt", "a GGML file, older than GGUF: convert it first"),
    (b"lmgg", "a GGML file, older than GGUF: convert it first"),
    (b"tjgg", "a GGML file, older than GGUF: convert it first"),
)


def kind_of(path: Path) -> str:
    """The kind of a file: npy, npz, torch, safetensors, gguf, hdf5, keras, onnx, gz or index.

    Raises
    ------
    ValueError
        It is something else; where that is known, the sentence names it.
    """
    size = path.stat().st_size
    if size == 0:
        raise ValueError("the file is empty")
    with path.open("rb") as file:
        head = file.read(HEAD)
        file.seek(257)
        tar = file.read(5) == b"ustar"
    plain = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for start, what in _NAMED:
        if plain.startswith(start):
            raise ValueError(f"this is {what}")
    if tar:
        raise ValueError("this is a tar archive (of torch before 0.1.10, or packed by hand): unpack it first")
    for start, kind in (
        (b"\x93NUMPY", "npy"),
        (b"GGUF", "gguf"),
        (b"\x89HDF\r\n", "hdf5"),
        (b"\x1f\x8b", "gz"),
    ):
        if head.startswith(start):
            return kind
    if head.startswith(b"PK"):
        return _archive(path)
    if 2 <= int.from_bytes(head[:8], "little") <= size - 8 and head[8:9] == b"{":
        return "safetensors"
    if plain[:1] == b"{":
        return "index"
    # the protobuf of ONNX begins with its version (field 1, a small number), then comes another of its fields
    if head[:1] == b"\x08" and b"\x01" <= head[1:2] <= b"\x3f" and head[2:3] in _FIELDS:
        return "onnx"
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return "torch"
    return _by_ending(path)


_EXPORTED = ("archive_format", "serialized_exported_program.json")  # members of .pt2


def _archive(path: Path) -> str:
    """The kind of a zip archive, by the names of its members."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, UnicodeError, ValueError, EOFError):
        return "npz" if path.suffix.lower() == ".npz" else "torch"  # its reader says what is wrong
    if any(name.endswith(".npy") for name in names) and path.suffix.lower() == ".npz":
        return "npz"
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "torch"
    if "model.weights.h5" in names:
        return "keras"
    if any(name.endswith(".npy") for name in names) or not names or path.suffix.lower() == ".npz":
        return "npz"
    if any(name.rpartition("/")[2] in _EXPORTED for name in names):
        raise ValueError(
            "this is a program of torch.export: save the state_dict of its module with torch.save"
        )
    if path.suffix.lower() in (".pt", ".pth", ".bin", ".ckpt", ".tar"):
        return "torch"
    raise ValueError(
        "this is a zip archive that holds neither arrays nor a torch checkpoint: unpack it first"
    )


def check_start(archive: zipfile.ZipFile) -> None:
    """Refuse an archive with other bytes before it.

    A shard of a distributed checkpoint is one archive of torch after another, and zip shows the last alone.
    """
    begins = min((info.header_offset for info in archive.infolist()), default=0)
    if begins:
        raise ValueError(
            f"{begins} bytes stand before this zip archive, which may hold other tensors: several files in"
            " one, or a shard of a distributed checkpoint (gather it with torch first)"
        )


_ENDINGS = {
    **{".npz": "npz", ".npy": "npy", ".safetensors": "safetensors", ".onnx": "onnx", ".gguf": "gguf"},
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle"), "torch"),
    **dict.fromkeys((".h5", ".hdf5", ".keras"), "hdf5"),
}


def _by_ending(path: Path) -> str:
    """What says nothing by its first bytes: protocol 0 pickles, and damaged files."""
    ending = path.name.lower().removesuffix(".tar").rpartition(".")[2]
    if ending == "msgpack":
        raise ValueError("msgpack files of Flax are not read: save the parameters as .npz or .safetensors")
    if f".{ending}" in _ENDINGS:
        return _ENDINGS[f".{ending}"]
    raise ValueError(
        "it is of no kind that is read: .npz, .npy, .safetensors, .onnx, .gguf, .h5, .pt, .pth, .bin or .ckpt"
    )
