"""`snapcut ticket`."""

from pathlib import Path
from typing import Literal

from sims.support.output import emit, print_table
from snapcut.options import Json, check_targets, unheard, widths


def ticket(
    *,
    network: str = "digits",
    bits: str = "4",
    samples: int | None = None,
    construction: Literal["two_layer", "depth_plus_one"] = "two_layer",
    retries: int | None = None,
    layers: bool = False,
    data: str | None = None,
    seed: int = 0,
    out: Path | None = None,
    json: Json = None,
) -> int:
    """Build the exact lottery ticket of a quantized ReLU network and verify it.

    Parameters
    ----------
    network
        digits, or a weight file of a bias-free ReLU network; with --layers also efficientnet or minilm.
    bits
        Width of the weights, 2-16; a range like 2-8 builds one ticket each.
    samples
        Usable candidates per weight; by default the fewest that are expected to do, with --layers 14.
    construction
        Two layers per target layer, or depth plus one with copies.
    retries
        Times a failed weight is redrawn; every redraw is counted.
    layers
        Take every tensor of the file as a layer of its own (any architecture); failures are counted.
    data
        Test images for a network of a file: digits or mnist.
    seed
        Seed of the random network.
    out
        Save the ticket (seed and packed masks, .safetensors); one width only.
    json
        Also write the rows to this file ("-" for stdout).
    """
    check_targets(json, out)
    from sims.lottery.real import checkpoint_rows, ticket_rows

    if layers:
        unheard(
            "the ticket of a whole network: --layers takes every tensor by itself",
            construction=construction != "two_layer",
            data=data is not None,
            out=out is not None,
        )
        each = 14 if samples is None else samples
        rows = [
            row
            for width in widths(bits)
            for row in checkpoint_rows(network, width, each, seed, retries=retries or 0)
        ]
        emit(json, {"network": network, "layers": rows}, lambda: print_table(rows))
        return 0
    rows = ticket_rows(network, widths(bits), samples, seed, construction, retries, out=out, data=data)
    turned = [{"": name, **{f"{row['bits']} bits": row[name] for row in rows}} for name in rows[0]][1:]
    emit(json, {"network": network, "tickets": rows}, lambda: print_table(turned))
    return 0
