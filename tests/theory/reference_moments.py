"""Write tests/theory/reference_moments.json: partial moments and SNRs by mpmath, 40 digits.

Independent of theory/: densities are integrated or use mpmath's own special functions. Run
``python tests/theory/reference_moments.py``; it takes about half a minute.
"""

import json
from pathlib import Path

import mpmath as mp

mp.mp.dps = 40
ENDS = [(0, 0.1), (0, 1), (0.5, 0.50001), (1, 3), (-2, 5), (4, 5), (1e-6, 1e-5), (3, 3.3), (-1, -0.5)]
LAWS = [
    ("Gaussian", [1.0]),
    ("Gaussian", [0.3]),
    ("Laplace", [2.0]),
    ("Uniform", [7.0]),
    *[("StudentT", list(pair)) for pair in ((2, 6), (2, 1e4), (0.3, 50), (1, 20), (3, 1e3), (4.5, 10))],
    *[("StudentT", list(pair)) for pair in ((100, 30), (1e5, 30), (2.0001, 1e6), (7, 6.5))],
]


def half(law, parameters, order, x):
    """Integral of u^order f(u) over [0, x]."""
    x, p = mp.mpf(x), [mp.mpf(value) for value in parameters]
    if law == "Gaussian":
        return (
            p[0] ** order
            * mp.mpf(2) ** (mp.mpf(order) / 2 - 1)
            / mp.sqrt(mp.pi)
            * mp.gammainc(mp.mpf(order + 1) / 2, 0, (x / p[0]) ** 2 / 2)
        )
    if law == "Laplace":
        return p[0] ** order * mp.gammainc(order + 1, 0, x / p[0]) / 2
    if law == "Uniform":
        return x ** (order + 1) / (order + 1) / (2 * p[0])

    def unnormalised(x, k):
        df = p[0]
        return (
            x ** (k + 1)
            / mp.mpf(k + 1)
            * mp.hyp2f1((df + 1) / 2, mp.mpf(k + 1) / 2, mp.mpf(k + 3) / 2, -x * x / df)
        )

    return unnormalised(x, order) / (2 * unnormalised(p[1], 0))


def partial(law, parameters, order, low, high):
    """Integral of w^order f(w) over [low, high]."""

    def signed(x):
        value = half(law, parameters, order, abs(x))
        return value if x >= 0 else (-1) ** (order + 1) * value

    return signed(high) - signed(low)


def gaussian_snr(bits):
    """(optimal step, quantization SNR, pruning SNR at sparsity 1 - bits/16) of N(0, 1) in dB."""
    pdf, cdf = mp.npdf, mp.ncdf
    n = 2 ** (bits - 1)

    def between(a, b):
        first = pdf(a) - pdf(b) if b is not None else pdf(a)
        mass = (cdf(b) if b is not None else 1) - cdf(a)
        second = mass + a * pdf(a) - (b * pdf(b) if b is not None else 0)
        return mass, first, second

    def error(s):
        total = mp.mpf(0)
        for top in (n - 1, n):  # the positive side ends at n - 1, the negative one at n
            for k in range(top + 1):
                low = mp.mpf(0) if k == 0 else s * (k - mp.mpf(1) / 2)
                mass, first, second = between(low, s * (k + mp.mpf(1) / 2) if k < top else None)
                total += second - 2 * s * k * first + (s * k) ** 2 * mass
        return total

    step = mp.findroot(lambda s: mp.diff(error, s), {2: 1.05, 3: 0.6, 4: 0.34, 5: 0.19, 6: 0.104}[bits])
    sparsity = 1 - mp.mpf(bits) / 16
    threshold = mp.sqrt(2) * mp.erfinv(sparsity)
    pruned = sparsity - 2 * threshold * pdf(threshold)
    return step, -10 * mp.log10(error(step)), -10 * mp.log10(pruned)


def main():
    moments = [
        [law, parameters, order, low, high, mp.nstr(partial(law, parameters, order, low, high), 20)]
        for law, parameters in LAWS
        for low, high in ENDS
        for order in range(5)
    ]
    snr = {str(bits): [mp.nstr(value, 20) for value in gaussian_snr(bits)] for bits in range(2, 7)}
    target = Path(__file__).with_suffix(".json")
    lines = ",\n".join(json.dumps(row) for row in moments)
    target.write_text(f'{{"gaussian_snr": {json.dumps(snr)},\n"moments": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
