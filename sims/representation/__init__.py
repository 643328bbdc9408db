"""What a compressed network still represents: signal-to-noise layer by layer, and linear CKA."""

from sims.representation.cka import LinearCKA, linear_cka
from sims.representation.layers import SignalToNoise, layer_snr

__all__ = ["LinearCKA", "SignalToNoise", "layer_snr", "linear_cka"]
