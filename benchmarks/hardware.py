"""Which width and which sparsity pay on this machine: products with stored weights beside the roofline.

Every kernel is compared with the dense product of the same weights before it is timed. Times are CPU time per
weight, best of several, as ratios to dense float32 of one run; the model's bandwidth and rate come from
that run.

    python benchmarks/hardware.py [m n]
"""

import sys
import time

import numpy as np
import scipy.sparse
from threadpoolctl import threadpool_limits

from sims.kernels import hardware as kernels
from theory.hardware import Layer, Machine, layer_time


def best(function, repeats=7):
    function()
    found = np.inf
    for _ in range(repeats):
        start = time.process_time()
        function()
        found = min(found, time.process_time() - start)
    return found


def packed(w):
    """Codes of 8 and 4 bits with a scale per row, and the weights they stand for."""
    scales = {bits: np.abs(w).max(axis=1) / (2 ** (bits - 1) - 1) for bits in (8, 4)}
    codes = {bits: np.rint(w / scales[bits][:, None]).astype(np.int8) for bits in (8, 4)}
    shifted = (codes[4] + 8).astype(np.uint8)
    half = w.shape[1] // 2
    return codes[8], scales[8], shifted[:, :half] | (shifted[:, half:] << 4), scales[4], codes[4]


def masked(w, sparsity):
    """The largest weights behind a bitmask: words, where rows begin, values, what they stand for."""
    kept = np.abs(w) > np.quantile(np.abs(w), sparsity)
    words = np.packbits(kept, axis=1, bitorder="little").view(np.uint64)
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])[:-1]
    return words, starts, w[kept], np.where(kept, w, 0).astype(np.float32)


def groups(w):
    """Two of every four: values, places, and the weights they stand for."""
    fours = w.reshape(w.shape[0], -1, 4)
    order = np.sort(np.argsort(-np.abs(fours), axis=2)[:, :, :2], axis=2)
    values = np.take_along_axis(fours, order, axis=2)
    full = np.zeros_like(fours)
    np.put_along_axis(full, order, values, axis=2)
    places = (order[:, :, 0] | (order[:, :, 1] << 2)).astype(np.uint8)
    return values.reshape(w.shape[0], -1), places, full.reshape(w.shape)


def cases(w, x, out):
    """(name, product, weights it stands for, stored bits) of every way to store them."""
    codes8, scales8, codes4, scales4, plain4 = packed(w)
    scales8, scales4 = scales8.astype(np.float32), scales4.astype(np.float32)
    two, places, full24 = groups(w)
    product = (lambda: np.dot(w, x[0], out=out[0])) if len(x) == 1 else (lambda: np.dot(x, w.T, out=out))
    yield "dense float32, BLAS", product, w, 32
    yield "dense float32, loop", lambda: kernels.dense(w, x, out), w, 32
    yield "int8", lambda: kernels.int8(codes8, scales8, x, out), codes8 * scales8[:, None], 8
    yield "int4, packed", lambda: kernels.int4(codes4, scales4, x, out), plain4 * scales4[:, None], 4
    yield "2:4", lambda: kernels.two_of_four(two, places, x, out), full24, 18
    for sparsity in (0.5, 0.75, 0.9, 0.95):
        yield bitmask(w, x, out, sparsity)
        yield csr(w, x, out, sparsity)


def bitmask(w, x, out, sparsity):
    words, starts, values, full = masked(w, sparsity)
    name, bits = f"bitmask, {sparsity:.0%} zeros", 1 + 32 * (1 - sparsity)
    return name, lambda: kernels.bitmask(words, starts, values, x, out), full, bits


def csr(w, x, out, sparsity):
    full = masked(w, sparsity)[3]
    rows = scipy.sparse.csr_matrix(full)
    return (
        f"CSR (scipy), {sparsity:.0%} zeros",
        lambda: np.copyto(out, (rows @ x.T).T),
        full,
        64 * (1 - sparsity),
    )


def main() -> None:
    m, n = (int(x) for x in sys.argv[1:3]) if len(sys.argv) > 2 else (2048, 8192)
    rng = np.random.default_rng(0)
    w = rng.normal(size=(m, n)).astype(np.float32)
    for batch in (1, 16):
        x = rng.normal(size=(batch, n)).astype(np.float32)
        out = np.empty((batch, m), dtype=np.float32)
        print(f"\n{m} x {n} weights, {batch} inputs at a time")
        print(f"{'':28s}{'ns/weight':>10s}{'of BLAS':>9s}{'stored bits':>13s}{'model of memory':>17s}")
        dense = None
        for name, product, stands, bits in cases(w, x, out):
            seconds = best(product)
            expected = x.astype(np.float64) @ np.asarray(stands, dtype=np.float64).T
            assert np.abs(out - expected).max() < 1e-3 * np.abs(expected).max(), name
            if dense is None:
                dense = seconds
                layer = Layer(m, n, batch, stored_bits=32, activation_bits=32)
                machine = Machine(bandwidth=layer.bytes_moved / seconds, rate=1e15)
            model = layer_time(Layer(m, n, batch, stored_bits=bits, activation_bits=32), machine) / dense
            print(f"{name:28s}{1e9 * seconds / w.size:10.3f}{seconds / dense:9.2f}{bits:13.1f}{model:17.2f}")
    print(
        "\nModel of memory: as if bytes moved at the speed at which BLAS reads float32; what takes longer is"
    )
    print("bound by arithmetic: decoding, and multiplications that no vector unit takes.")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
