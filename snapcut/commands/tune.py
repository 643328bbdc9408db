"""`snapcut tune`."""

from pathlib import Path
from typing import Literal

from sims.support import interruption
from sims.support.output import emit, print_table, say
from snapcut.options import Json, check_targets, widths
from snapcut.words import again, count


def tune(
    *,
    network: Literal["dense", "conv"] = "dense",
    data: str = "digits",
    bits: str = "2,3,4,8",
    method: str = "qat,prune",
    seeds: int = 10,
    pretraining: int | None = None,
    epochs: int | None = None,
    batch: int = 64,
    rate: float = 0.1,
    tuning_rate: float = 0.05,
    grid: Literal["twos-complement", "symmetric"] = "twos-complement",
    per_channel: bool = False,
    seed: int = 0,
    out: Path | None = None,
    resume: bool = False,
    processes: int | None = None,
    json: Json = None,
) -> int:
    """Fine-tune: learned-step quantization against gradual pruning, on paired seeds (needs the train extra).

    Parameters
    ----------
    network
        Fully connected, or two convolutions; no biases.
    data
        digits, mnist, or a .npz file with images and labels.
    bits
        Widths, a range or a list; pruning runs at sparsity 1 - bits/16.
    method
        A list of qat, ste, prune, prune-then-quantize, and without training nearest, gpfq, spfq, optq,
        magnitude, path-following pruning, obs.
    seeds
        Networks, all trained at once; two at least for the paired test.
    pretraining
        Epochs in floating point; 30 (dense) or 12 (conv) by default.
    epochs
        Epochs of fine-tuning; 20 or 8 by default.
    batch
        Images per step.
    rate
        Largest learning rate of pretraining.
    tuning_rate
        Largest learning rate of fine-tuning.
    grid
        Codes: two's complement, or symmetric, as lottery tickets need them (ternary at 2 bits).
    per_channel
        A step for every row of a matrix.
    seed
        Seed of all streams.
    out
        Folder of the finished cells, the runs, tune.csv and the networks of the first seed.
    resume
        Keep the finished cells found in the folder and compute the rest.
    processes
        Cells computed at once; every core by default.
    json
        Also write the table and the cells to this file ("-" for stdout).
    """
    check_targets(json, None if out is None else out / "tune.csv")
    from sims import sweep as sweeps
    from sims.fine_tuning import Setting
    from sims.fine_tuning.study import EPOCHS, study

    if resume and out is None:
        raise ValueError("--resume needs --out, the folder to resume from")
    if out is not None:
        resumed = again(*(() if resume else ("--resume",)))
        interruption.remember(
            lambda: f"{count(sweeps.stored_cells(out), 'cell')} in {out} kept; to go on: {resumed}"
        )
    usual = EPOCHS[network]
    setting = Setting(
        network,
        data,
        seeds,
        usual[0] if pretraining is None else pretraining,
        usual[1] if epochs is None else epochs,
        batch,
        rate,
        tuning_rate,
        grid,
        per_channel,
    )
    names = [name.strip() for name in method.split(",")]
    found = study(setting, widths(bits), names, seed=seed, folder=out, resume=resume, processes=processes)
    title = "Test accuracy in %, median over seeds with its interval; p: exact paired test of qat above prune"
    saved: list[Path] = []
    if out is not None:
        sweeps.save(found.rows, out / "tune.csv")
        saved = found.save_networks(out / "networks")

    def show() -> None:
        print_table(found.lines(), title=title)
        if saved:
            say(f"{len(saved)} networks in {out}/networks")

    emit(json, {**found.as_dict(), "networks": [str(path) for path in saved]}, show)
    return 0
