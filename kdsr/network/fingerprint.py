"""A short name for a set of weights."""

import hashlib

import torch
from torch import nn


def fingerprint(model: nn.Module) -> str:
    """Hashes all weights, in float32 and in name order, to 16 hexadecimal digits.

    Two models with the same fingerprint give every image the same IDR. The hash is taken over
    values, not over a file, so that converting a file keeps it.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
