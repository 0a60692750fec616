"""From the sampler's choices to w: learned embeddings of the donors, region by region, then two layers."""
from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .latent import FACTORS, SLICES, Choice, normalised
from .networks import FullyConnected

EMBEDDING = {"frame": 64, "skin": 48, "eyes": 44, "nose": 28, "mouth": 44}
FACTOR_DIMS = sum(FACTORS.values())
CODE = sum(EMBEDDING.values()) + FACTOR_DIMS
TAIL = 256


class Coder(nn.Module):
    """Donor weights [N, donors] a region and factors [N, 40] -> code [N, CODE] -> w [N, w_dim]."""

    def __init__(self, donors: dict[str, int], w_dim: int, choices: dict[str, Choice] | None = None):
        super().__init__()
        for region, dims in EMBEDDING.items():
            table = torch.randn(donors[region], dims)
            if choices is not None:
                # Donors that look alike start alike.
                keys = choices[region].keys
                own = torch.from_numpy(np.concatenate([keys[:, SLICES[region]], keys[:, SLICES["shared"]]], 1))
                own = own / own.std(0)
                table[:, : min(dims, own.shape[1])] = own[:, :dims]
            setattr(self, region, nn.Parameter(table))
        self.tail0 = FullyConnected(CODE, TAIL, activate=True)
        self.tail1 = FullyConnected(TAIL, w_dim, activate=True)

    def code(self, f: dict[str, torch.Tensor]) -> torch.Tensor:
        parts = [f[region] @ getattr(self, region) for region in EMBEDDING]
        return torch.cat(parts + [f[name] for name in FACTORS], 1)

    def w(self, code: torch.Tensor) -> torch.Tensor:
        return self.tail1(self.tail0(code))

    def forward(self, f: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.w(self.code(f))


class Chooser:
    """z -> the sampler's donor weights and factors, without the portraits."""

    def __init__(self, choices: dict[str, Choice]):
        self.choices = choices

    def __call__(self, z: np.ndarray) -> dict[str, torch.Tensor]:
        z = normalised(z)
        out = {region: torch.from_numpy(choice.weights(z)) for region, choice in self.choices.items()}
        return out | {name: torch.from_numpy(z[:, SLICES[name]]) for name in FACTORS}
