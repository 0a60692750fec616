"""First stage: regress the sampler's choices -> image through the StyleGAN2 synthesis network on rendered samples.

From the run of a smaller network (`--from`) it grows that network by a block instead: the coder stays as it is, so the mapping
network stays good, and the new block begins by adding nothing to the smaller image.
"""
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

RATE, EMBEDDING_RATE, GROWN_RATE = 1e-2, 2e-2, 2e-3
# Resolution and batch by images seen: coarse faces first, they cost little.
STAGES = ((6_000, 16, 8), (20_000, 32, 8), (150_000, 64, 8), (300_000, 64, 16), (1 << 40, 128, 8))


class Distilled(nn.Module):
    """The sampler's choices -> image."""

    def __init__(self, choices: dict[str, Choice], size: int):
        super().__init__()
        self.coder = Coder({region: len(c.donors) for region, c in choices.items()}, W_DIM, choices)
        self.synthesis = Synthesis(W_DIM, channels(size), size)

    def forward(self, f: dict[str, torch.Tensor], upto: int | None = None) -> torch.Tensor:
        return self.synthesis(self.coder(f), upto, kind=torch.bfloat16)

    @torch.no_grad()
    def grow(self, smaller: dict[str, torch.Tensor]) -> None:
        """Takes over the state of this network at half the size."""
        block = f"synthesis.b{self.synthesis.resolutions[-1]}."
        own = {name: value for name, value in self.state_dict().items() if name.startswith(block)}
        own[block + "torgb.weight"].zero_()
        self.load_state_dict(smaller | own)


def channels(size: int) -> dict[int, int]:
    return {r: c for r, c in CHANNELS.items() if r <= size}


def plan(net: Distilled, size: int, grown: bool) -> tuple[list[tuple[list[nn.Parameter], float]], tuple[tuple[int, int, int], ...]]:
    """Parameters with their learning rates, and the stages; of a grown network the coder rests and the older blocks go slowly."""
    if grown:
        net.coder.requires_grad_(False)
        parts = lambda name: 0 if name.startswith(f"synthesis.b{size}.") else 1
        rates, schedule = (RATE, GROWN_RATE), STAGES[-1:]
    else:
        parts = lambda name: 0 if "tail" in name or "synthesis" in name else 1
        rates, schedule = (RATE, EMBEDDING_RATE), tuple(stage for stage in STAGES if stage[1] <= size)
    learned = [(name, p) for name, p in net.named_parameters() if p.requires_grad]
    return [([p for name, p in learned if parts(name) == k], rate) for k, rate in enumerate(rates)], schedule


def distil(options: argparse.Namespace) -> None:
    prepare(options.seed)
    donors = material(options.data)
    journal, pairs = Journal(options.run), Pairs(options.data, options.size, options.seed)
    weight = {r: face_weight(donors, r) for r in (16, 32, 64, 128)}
    checkpoint = options.run / "checkpoint.pt"
    state = torch.load(checkpoint) if checkpoint.is_file() else None
    smaller = torch.load(options.source / "checkpoint.pt") if options.source and not state else None
    start = state or smaller
    choices = start["choices"] if start else FaceSampler(donors, options.size).choice
    history = state["history"][:-1] if state else smaller["history"] if smaller else []
    del donors
    chooser, net = Chooser(choices), Distilled(choices, options.size)
    if smaller:
        net.grow(smaller["average"])
    groups, schedule = plan(net, options.size, grown=bool(history))
    average = copy.deepcopy(net)
    optimiser = torch.optim.Adam([{"params": params} for params, _ in groups], lr=RATE, betas=(0.9, 0.99))
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
        save(checkpoint, {"net": net.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict(), "choices": choices,
                          "history": [*history, ("regression", options.size, seen)], "seen": seen, "step": step})

    saved = time.process_time()
    while seen < options.images:
        _, resolution, batch = next((stage for stage in schedule if seen < stage[0]), schedule[-1])
        rate = min(1.0, (step + 1) / 100) * falling(seen, options.images)
        for group, (_, base) in zip(optimiser.param_groups, groups):
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
