"""Strong lottery tickets: an exact copy of a quantized network, cut out of a larger random one."""

from sims.lottery.embedding import ALLOTMENTS, CONSTRUCTIONS, LAWS, embed
from sims.lottery.network import network_outputs, reduce_outputs
from sims.lottery.ticket import Failure, Ticket, load

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
