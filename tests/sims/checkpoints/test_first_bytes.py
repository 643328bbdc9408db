"""Files whose first bytes, or whose members, only resemble those of a kind."""

import zipfile

import pytest

from sims.checkpoints.kinds import kind_of


def number(value):
    return value.to_bytes(8, "little")


@pytest.mark.parametrize(
    "content",
    [
        number(16) + b"x" * 16,  # a length, and no header
        number(2) + b"[]" + bytes(6),
        number(16) + b'"' + b"{" * 20,
        number(17) + b"{" + b" " * 15,  # a header longer than the file
        number(1) + b"{" + b" " * 15,
        b"\x80\x06" + b"." * 20,  # a pickle of a protocol that there is not
        b"\x80\xff" + b"." * 20,
        b"\x07\x08\x12" + b"\x00" * 20,  # fields of protobuf, of another message than that of ONNX
        b"\x08\x00\x12" + b"\x00" * 20,
        b"\x08\x40\x12" + b"\x00" * 20,
        b"\x08\x08\x13" + b"\xff" * 20,
        b"\x7f\x02" + b"." * 20,
    ],
)
def test_what_resembles_a_kind_is_none(tmp_path, content):
    """It is what its ending says, and nothing where that says nothing."""
    (tmp_path / "a.npy").write_bytes(content)
    assert kind_of(tmp_path / "a.npy") == "npy"
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match="of no kind that is read"):
        kind_of(tmp_path / "a")


@pytest.mark.parametrize(
    ("members", "kinds"),
    [  # as .npz, .NPZ, .pt and without an ending
        (["w.npy"], "npz npz npz npz"),
        (["w.npy", "readme"], "npz npz npz npz"),
        (["m/data.pkl"], "torch torch torch torch"),
        (["data.pkl", "w.npy"], "npz npz torch torch"),
        (["model.weights.h5", "config.json"], "keras keras keras keras"),
        (["model.weights.h5", "w.npy"], "npz npz keras keras"),
        (["readme"], "npz npz torch -"),
        (["mydata.pkl"], "npz npz torch -"),
        (["m/model.weights.h5"], "npz npz torch -"),
        ([], "npz npz npz npz"),
    ],
)
def test_an_archive_is_what_its_members_are(tmp_path, members, kinds):
    """Where both NumPy's and another's stand in it, the ending decides."""
    for ending, kind in zip((".npz", ".NPZ", ".pt", ""), kinds.split(), strict=True):
        path = tmp_path / f"a{ending}"
        with zipfile.ZipFile(path, "w") as archive:
            for member in members:
                archive.writestr(member, b"x")
        if kind == "-":
            with pytest.raises(ValueError, match="a zip archive that holds neither arrays nor a torch"):
                kind_of(path)
        else:
            assert kind_of(path) == kind, ending


def test_files_of_flax_are_named(tmp_path):
    (tmp_path / "flax_model.msgpack").write_bytes(b"\x81\xa6params\x80" * 9)
    with pytest.raises(ValueError, match="msgpack files of Flax are not read: save the parameters as"):
        kind_of(tmp_path / "flax_model.msgpack")


@pytest.mark.parametrize("version", [1, 3, 10, 62, 63])
def test_a_model_of_onnx_begins_with_its_version(tmp_path, version):
    (tmp_path / "m").write_bytes(bytes([8, version]) + b"\x12\x04test" + bytes(20))
    assert kind_of(tmp_path / "m") == "onnx"
