"""Formats by what they are made of: codes, weights that share a scale, and how that scale is stored."""

from theory.arguments import choice, whole
from theory.codebooks import check_bits
from theory.formats.formats import Format

CODES = ("twos-complement", "symmetric", "zero-point", "offset", "float", "normal-float")
SCALES = ("float16", "power-of-two", "e4m3")
GROUPS = (0, 16, 32, 64, 128, 256)
SIGNED = ("twos-complement", "zero-point", "offset")  # codes whose scale is a float16 number
_FLOATS = {4: "e2m1", 6: "e2m3", 8: "e4m3"}
_SCALES = {"float16": "free", "power-of-two": "power", "e4m3": "e4m3"}


def widths(codes: str) -> tuple[int, ...]:
    """Widths at which codes are shipped.

    Examples
    --------
    >>> widths("symmetric"), widths("float"), widths("normal-float")
    ((2, 3, 4, 5, 6, 7, 8), (4, 6, 8), (4,))
    """
    if choice("codes", codes, CODES) == "float":
        return tuple(_FLOATS)
    return (4,) if codes == "normal-float" else tuple(range(2, 9))


def family(codes: str, bits: int, group: int = 0, scale: str = "float16") -> Format:
    """The format of these codes.

    Parameters
    ----------
    codes
        Integers with the codes of two's complement, or symmetric ones; from an integer zero point, or from
        any offset; floating point (E2M1, E2M3, E4M3); or NF4.
    bits
        Of a code; one of :func:`widths`.
    group
        Weights of a row that share a scale, from the largest magnitude among them (or their ends); 0 is the
        whole tensor, with the scale of least error. In groups two's complement puts the largest magnitude on
        its last code, as llama.cpp does.
    scale
        How a group's scale is stored; "power-of-two" and "e4m3" (8 bits each) have no sign and
        stand beside no offset, so they are for symmetric codes, floating point and NF4.

    Raises
    ------
    ValueError
        A width that these codes do not come in, a scale that does not fit them.

    Examples
    --------
    >>> family("symmetric", 4, 128).name, family("float", 4, 32, "power-of-two").name
    ('INT4 symmetric g128', 'E2M1 g32, power-of-two')
    >>> family("normal-float", 8)
    Traceback (most recent call last):
    ValueError: normal-float codes have 4 bits, got 8
    """
    bits, group = check_bits(bits), whole("group", group, 0)
    choice("scale", scale, SCALES)
    if bits not in widths(codes):
        known = ", ".join(map(str, widths(codes)))
        raise ValueError(f"{codes} codes have {known} bits, got {bits}")
    offset = {"zero-point": "zero", "offset": "float"}.get(codes, "")
    if group and codes in SIGNED and scale != "float16":
        raise ValueError(f"scale must be float16 for {codes} codes, got {scale!r}")
    book = {
        "twos-complement": f"flipped{bits}" if group else f"int{bits}",
        "symmetric": f"symmetric{bits}",
        "float": _FLOATS.get(bits, ""),
        "normal-float": "nf4",
    }.get(codes, f"uint{bits}")
    plain = {"float": book.upper(), "normal-float": "NF4", "twos-complement": f"INT{bits}"}
    name = plain.get(codes, f"INT{bits} {codes}")
    if group:
        name += f" g{group}" + ("" if scale == "float16" else f", {scale}")
    return Format(name, book, bits, block=group, scale=_SCALES[scale] if group else "free", offset=offset)
