"""Strong lottery tickets: an exact copy of a quantized network, cut out of a larger random one."""

from sims.lottery.embedding import (
    ALLOTMENTS,
    CONSTRUCTIONS,
    LAWS,
    Failure,
    Ticket,
    embed,
    load,
    network_outputs,
    reduce_outputs,
)

__all__ = [
    "ALLOTMENTS",
    "CONSTRUCTIONS",
    "LAWS",
    "Failure",
    "Ticket",
    "embed",
    "load",
    "network_outputs",
    "reduce_outputs",
]
