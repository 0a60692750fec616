"""Mapped w, brought to the mean and covariance of the coder's w.

A mapping network fitted to doubtful choices answers some of them with an average, so its w spreads too little, above all where z
tells w least. Of all maps that give one Gaussian the mean and covariance of another, the optimal transport between them moves
points least (Peyré & Cuturi, Computational Optimal Transport, arXiv 1803.00567, remark 2.31): w -> mean + A (w - own mean) with
A = C^-½ (C^½ wanted C^½)^½ C^-½. Every use of w in the synthesis network begins with an affine layer, so the map goes into those
layers: neither the layout nor the cost of the generator changes, and truncation commutes with it. The same place takes a gain for
each resolution (`spread`).
"""
from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .coder import Chooser, Coder
from .latent import Z_DIM
from .networks import Generator


def _power(matrix: torch.Tensor, exponent: float) -> torch.Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(values[-1] * 1e-7) ** exponent) @ vectors.t()


def transport(made: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples of w [N, d] and of the w wanted [M, d] -> matrix A [d, d] and shift b [d] of w -> A w + b, in float64."""
    made, wanted = made.double(), wanted.double()
    cov = torch.cov(made.t())
    root, inverse = _power(cov, 0.5), _power(cov, -0.5)
    matrix = inverse @ _power(root @ torch.cov(wanted.t()) @ root, 0.5) @ inverse
    return matrix, wanted.mean(0) - matrix @ made.mean(0)


@torch.no_grad()
def fold(synthesis: nn.Module, matrix: torch.Tensor, shift: torch.Tensor) -> None:
    """Makes synthesis(w) what synthesis(matrix w + shift) was."""
    for name, layer in synthesis.named_modules():
        if name.endswith("affine"):
            weight = layer.weight.double()
            layer.bias.copy_(layer.bias.double() + (weight @ shift) * (layer.weight_gain / layer.bias_gain))
            layer.weight.copy_(weight @ matrix)


def spread(generator: Generator, gains: dict[int, float]) -> None:
    """Lets the blocks of the resolutions that `gains` names see w at gain times its distance from w_avg: a psi for each resolution.

    Coarse blocks turn much of w into pose, framing and light, which cost detections when exaggerated and tell nobody apart; the finer
    ones draw the features that do. psi 0 still gives the mean face.
    """
    centre = generator.mapping.w_avg.double()
    for resolution, gain in gains.items():
        fold(getattr(generator.synthesis, f"b{resolution}"), gain * torch.eye(len(centre), dtype=torch.float64), (1 - gain) * centre)


@torch.no_grad()
def recolour(generator: Generator, coder: Coder, chooser: Chooser, samples: int = 16384) -> None:
    """Folds into the generator's synthesis network the transport of its mapped w to the coder's w, both for the same latents."""
    parts = np.split(np.float32(np.random.default_rng(6).standard_normal((samples, Z_DIM))), 64)
    made = torch.cat([generator.mapping(torch.from_numpy(z)) for z in parts])
    fold(generator.synthesis, *transport(made, torch.cat([coder(chooser(z)) for z in parts])))
