"""Files of torch for the tests, and what torch itself reads in them; the suite needs no torch.

    python make_torch.py

was run with torch 2.14.1; SHA256SUMS holds what it wrote (keys of legacy.pth are addresses, others in every
run). The files are small: what matters is their kinds of entries. expected.npz holds the tensors of each
as torch.load(weights_only=True) gives them (of module.pt and script.pt, whose classes torch would have to
import, those of the state dict).
"""

import collections
import hashlib
import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch

warnings.filterwarnings("ignore")  # quantized and sparse tensors are deprecated, and here to stay in files
HERE = Path(__file__).parent
expected = {}


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(20, 16)
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.fc(x)


class Strange:
    """A class that no reader has."""

    def __init__(self):
        self.matrix = torch.randn(6, 5)
        self.words = {"a": [1, 2]}


def numbers(tensor):
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    return tensor.detach().to(torch.float64).contiguous().numpy()


def flat(value, name=""):
    """(dotted name, tensor) of every real tensor."""
    if isinstance(value, torch.Tensor):
        if not (value.is_complex() or value.is_meta or value.dtype in (torch.float4_e2m1fn_x2, torch.int4)):
            yield name, numbers(value)
    elif isinstance(value, (dict, list, tuple)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            word = ",".join(map(str, key)) if isinstance(key, tuple) else str(key)
            yield from flat(item, f"{name}.{word}" if name else word)


def keep(file, value):
    expected.update({f"{file}/{name}": array for name, array in flat(value)})


def saved(file, value, **options):
    torch.save(value, HERE / file, **options)
    keep(file, torch.load(HERE / file, weights_only=True))


torch.manual_seed(0)
network = Network()
saved("state.pt", network.state_dict())
saved("legacy.pth", network.state_dict(), _use_new_zipfile_serialization=False)
torch.save({"model": network, "strange": Strange()}, HERE / "module.pt")
keep("module.pt", {"model": network.state_dict()})
script = torch.jit.script(
    torch.nn.Sequential(torch.nn.Linear(20, 16), torch.nn.ReLU(), torch.nn.Linear(16, 20))
)
stream = io.BytesIO()
torch.jit.save(script, stream)
with zipfile.ZipFile(stream) as whole, zipfile.ZipFile(HERE / "script.pt", "w") as kept:
    for info in whole.infolist():  # all but the source lines of whoever wrote it
        if not info.filename.endswith(".debug_pkl"):
            kept.writestr(info, whole.read(info))
keep("script.pt", script.state_dict())

optimizer = torch.optim.Adam(network.parameters())
network(torch.randn(2, 20)).sum().backward()
optimizer.step()
averaged = {name: 0.9 * tensor for name, tensor in network.state_dict().items()}
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1).state_dict()
training = {
    "state_dict": network.state_dict(),
    "ema": averaged,
    "optimizer": optimizer.state_dict(),
    "lr": schedule,
}
saved("training.pth.tar", training)

weight = torch.nn.Parameter(torch.randn(30, 30))
saved("tied.pt", {"embed": weight, "head": weight, "turned": weight.t(), "part": weight[3:7, ::2]})

tagged = torch.nn.Parameter(torch.randn(2, 2))
tagged.tag = "an attribute"
floats = (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz)
saved(
    "odd.pt",
    {
        "counter": collections.Counter(a=2),
        "set": {1, 2},
        "bytes": b"abc",
        "bytearray": bytearray(b"abc"),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "size": torch.Size([1, 2]),
        "complex number": 1 + 2j,
        ("a", 1): torch.randn(3),
        "unsigned": [torch.arange(4).to(kind) for kind in (torch.uint16, torch.uint32, torch.uint64)],
        "floats": [torch.randn(4, 4).to(kind) for kind in (*floats, torch.bfloat16, torch.float16)],
        "exponents": torch.tensor([0.25, 1.0, 8.0]).to(torch.float8_e8m0fnu),
        "expanded": torch.randn(1, 8).expand(6, 8),
        "sparse": [torch.eye(5).to_sparse(), torch.eye(5).to_sparse_csr(), torch.eye(5).to_sparse_csc()],
        "parameter": torch.nn.Parameter(torch.randn(3, 3)),
        "tagged": tagged,
        "turned": torch.randn(4, 6).t(),
        "empty": torch.zeros(0, 3),
        "quantized": torch.quantize_per_tensor(torch.randn(6, 6), 0.1, 3, torch.qint8),
        "per channel": torch.quantize_per_channel(
            torch.randn(4, 6), torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0, 1, -1, 2]), 0, torch.qint8
        ),
        "complex": torch.randn(2, 2, dtype=torch.complex64),
        "meta": torch.empty(3, device="meta"),
        "pairs": torch.zeros(4, 4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
    },
)
np.savez_compressed(HERE / "expected.npz", **expected)
written = sorted(path for path in HERE.iterdir() if path.suffix in (".pt", ".pth", ".tar"))
lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in written]
(HERE / "SHA256SUMS").write_text("".join(lines))
