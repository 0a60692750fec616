"""First stage: regress the sampler's choices -> image through the StyleGAN2 synthesis network on rendered samples."""
from __future__ import annotations

import argparse
import copy
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .coder import Chooser, Coder
from .data import material
from .latent import Choice
from .networks import Synthesis
from .run import CHANNELS, W_DIM, Journal, Pairs, face_weight, falling, follow, prepare, pyramid_loss, save, sharpness, to_bytes
from .sampler import FaceSampler
from .sheet import write_sheet

RATE, EMBEDDING_RATE = 1e-2, 2e-2
# Resolution and batch by images seen: coarse faces first, they cost little.
STAGES = ((6_000, 16, 8), (20_000, 32, 8), (150_000, 64, 8), (1 << 40, 64, 16))


class Distilled(nn.Module):
    """The sampler's choices -> image."""

    def __init__(self, choices: dict[str, Choice], size: int):
        super().__init__()
        self.coder = Coder({region: len(c.donors) for region, c in choices.items()}, W_DIM, choices)
        self.synthesis = Synthesis(W_DIM, channels(size), size)

    def forward(self, f: dict[str, torch.Tensor], upto: int | None = None) -> torch.Tensor:
        return self.synthesis(self.coder(f), upto, kind=torch.bfloat16)


def channels(size: int) -> dict[int, int]:
    return {r: c for r, c in CHANNELS.items() if r <= size}


def distil(options: argparse.Namespace) -> None:
    prepare(options.seed)
    donors = material(options.data)
    journal, pairs = Journal(options.run), Pairs(options.data, options.size, options.seed)
    weight = {r: face_weight(donors, r) for r in (16, 32, 64, 128)}
    checkpoint = options.run / "checkpoint.pt"
    state = torch.load(checkpoint) if checkpoint.is_file() else None
    choices = state["choices"] if state else FaceSampler(donors, options.size).choice
    del donors
    chooser, net = Chooser(choices), Distilled(choices, options.size)
    average = copy.deepcopy(net)
    tables = [p for name, p in net.coder.named_parameters() if "tail" not in name]
    rest = [p for name, p in net.named_parameters() if "tail" in name or "synthesis" in name]
    optimiser = torch.optim.Adam([{"params": rest}, {"params": tables}], lr=RATE, betas=(0.9, 0.99))
    seen = step = 0
    if state:
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        seen, step = state["seen"], state["step"]
        pairs.rng = np.random.default_rng([options.seed, seen])
    held_z, held_y = pairs.held_out(256)
    parameters = sum(p.numel() for p in net.parameters())
    print(f"{parameters / 1e6:.2f} M parameters, {sum(len(z) for z, _ in pairs.shards.values())} samples, from image {seen}", flush=True)

    def report() -> None:
        target = F.avg_pool2d(held_y, options.size // resolution)
        with torch.no_grad():
            made = torch.cat([average(chooser(z.numpy()), resolution) for z in held_z.split(32)])
        journal.write(seen, resolution=resolution, heldOutL1=(made - target).abs().mean().item(), sharpness=sharpness(made) / sharpness(target))
        rows = [x for i in (0, 16, 32) for x in (to_bytes(made[i:i + 16]), to_bytes(target[i:i + 16]))]
        write_sheet(options.run / "pairs.png", np.concatenate(rows))
        save(checkpoint, {"net": net.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict(), "choices": choices, "seen": seen, "step": step})

    saved = time.process_time()
    while seen < options.images:
        _, resolution, batch = next(stage for stage in STAGES if seen < stage[0])
        rate = min(1.0, (step + 1) / 100) * falling(seen, options.images)
        for group, base in zip(optimiser.param_groups, (RATE, EMBEDDING_RATE)):
            group["lr"] = base * rate
        z, y = pairs.next(batch)
        if resolution < options.size:
            y = F.avg_pool2d(y, options.size // resolution)
        x = net(chooser(z.numpy()), resolution)
        loss = pyramid_loss(x - y, weight[resolution])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        seen, step = seen + batch, step + 1
        if step % 4 == 0:
            follow(average, net, min(0.99, (step + 4) / (step + 40)))
        if step % 20 == 0:
            journal.add(loss=loss.item(), l1=(x - y).abs().mean().item())
        if time.process_time() - saved > options.save_every:
            report()
            saved = time.process_time()
    report()
