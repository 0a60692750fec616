"""A released generator -> a run that `polish`, `map` and growing go on from, for when the runs are gone and only the ONNX file is left.

Synthesis and mapping network come back as they were trained (from_onnx.py; gains are undone). The coder, which no release holds, is
found again: its second layer is the mapping network's last; its first, and with it the donors' embeddings, by ridge regression of the
mapping network's third layer on the sampler's choices (a matrix a region, factored to the embedding's rank by its singular values).
The mapping network answers doubt with averages, so what is found is too tame; regression on rendered pairs, synthesis at rest, mends it.
"""
from __future__ import annotations

import argparse
import json
import math

import numpy as np
import torch
import torch.nn.functional as F

from .coder import EMBEDDING, FACTOR_DIMS, Chooser, Coder
from .data import material
from .distil import Distilled
from .from_onnx import from_onnx
from .latent import FACTORS, Z_DIM
from .networks import SQRT2, Generator, Mapping
from .recolour import spread
from .run import Journal, Pairs, face_weight, falling, prepare, pyramid_loss, save
from .sampler import FaceSampler

RATE, BATCH = 2e-3, 16


@torch.no_grad()
def find_coder(coder: Coder, generator: Generator, chooser: Chooser, samples: int = 24_576, part: int = 1024) -> None:
    """Fills `coder` so that coder(chooser(z)) comes as close to generator.mapping(z) as the choices tell."""
    rng, mapping, gram, cross = np.random.default_rng(8), generator.mapping, 0, 0
    for _ in range(samples // part):
        z = np.float32(rng.standard_normal((part, Z_DIM)))
        f = chooser(z)
        known = torch.cat([f[name] for name in (*EMBEDDING, *FACTORS)] + [torch.ones(part, 1)], 1)
        x = _third(mapping, torch.from_numpy(z))
        gram, cross = gram + (known.t() @ known).double(), cross + (known.t() @ x).double()
    gram += 1e-4 * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    solved, row, columns = torch.linalg.solve(gram, cross), 0, []
    for region, dims in EMBEDDING.items():
        table = getattr(coder, region)
        left, values, right = torch.linalg.svd(solved[row:row + len(table)], full_matrices=False)
        # Embeddings of unit size: the learning rates count on it.
        size, rank = math.sqrt(len(table)), min(dims, len(values))
        table.zero_()[:, :rank] = left[:, :rank] * size
        columns.append(F.pad((values[:rank, None] * right[:rank] / size).t(), (0, dims - rank)))
        row += len(table)
    columns.append(solved[row:row + FACTOR_DIMS].t())
    coder.tail0.weight.copy_(torch.cat(columns, 1) / coder.tail0.weight_gain)
    coder.tail0.bias.copy_(solved[-1] / coder.tail0.bias_gain)
    last = getattr(mapping, f"fc{mapping.num_layers - 1}")
    coder.tail1.weight.copy_(last.weight * (last.weight_gain / coder.tail1.weight_gain))
    coder.tail1.bias.copy_(last.bias * (last.bias_gain / coder.tail1.bias_gain))


def _third(mapping: Mapping, z: torch.Tensor) -> torch.Tensor:
    """The last but one layer before its activation: what the coder's first layer gives."""
    x = mapping.fc2(mapping.fc1(mapping.fc0(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())))
    return torch.where(x > 0, x, x / 0.2) / SQRT2


def refit(net: Distilled, pairs: Pairs, weight: torch.Tensor, chooser: Chooser, images: int, journal: Journal) -> None:
    """The coder alone, by regression on pairs at full size."""
    net.synthesis.requires_grad_(False)
    optimiser = torch.optim.Adam(net.coder.parameters(), lr=RATE, betas=(0.9, 0.99))
    held_z, held_y = pairs.held_out(128)

    def report(seen: int) -> None:
        with torch.no_grad():
            made = torch.cat([net(chooser(z.numpy())) for z in held_z.split(32)])
        journal.write(seen, heldOutL1=(made - held_y).abs().mean().item())

    report(0)
    for seen in range(BATCH, images + 1, BATCH):
        optimiser.param_groups[0]["lr"] = RATE * falling(seen, images, last=0.6)
        z, y = pairs.next(BATCH)
        loss = pyramid_loss(net(chooser(z.numpy())) - y, weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        journal.add(loss=loss.item())
        if seen % 1024 == 0:
            report(seen)
    net.synthesis.requires_grad_(True)


def restart(options: argparse.Namespace) -> None:
    """Card of a release -> RUN/checkpoint.pt and RUN/generator.pt."""
    prepare(options.seed)
    card = json.loads(options.source.read_text())
    generator = from_onnx(options.source.parent / card["file"])
    side = generator.img_resolution
    # Psi above 1 and gains make up for the mapping network; the coder needs neither.
    spread(generator, {int(r): 1 / gain for r, gain in card["notes"].get("gains", {}).items()})
    donors = material(options.data)
    choices, weight = FaceSampler(donors, side).choice, face_weight(donors, side)
    chooser, net = Chooser(choices), Distilled(choices, side)
    net.synthesis.load_state_dict(generator.synthesis.state_dict())
    find_coder(net.coder, generator, chooser)
    refit(net, Pairs(options.data, side, options.seed), weight, chooser, options.images, Journal(options.run))
    sizes = [getattr(generator.mapping, f"fc{k}").weight.shape[0] for k in range(generator.mapping.num_layers)]
    mapping = Mapping(Z_DIM, sizes, lr_multiplier=1.0)
    for k in range(mapping.num_layers):
        a, b = getattr(generator.mapping, f"fc{k}"), getattr(mapping, f"fc{k}")
        b.load_state_dict({"weight": a.weight * (a.weight_gain / b.weight_gain), "bias": a.bias * a.bias_gain})
    history = [tuple(stage) for stage in card["notes"].get("history", [])] or [("earlier release", side, 0)]
    save(options.run / "checkpoint.pt", {"net": net.state_dict(), "average": net.state_dict(), "choices": choices, "history": history})
    save(options.run / "generator.pt", {"G_ema": generator.state_dict(), "history": history, "latents": card["notes"].get("latents", 0),
                                        "mapping": mapping.state_dict(), "coder": net.coder.state_dict()})
