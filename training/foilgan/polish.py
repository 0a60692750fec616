"""Last stage: the assembled generator goes on with the same pairs, now end to end and with a StyleGAN2 discriminator.

The pairs keep every latent's face; the discriminator (residual, minibatch deviation, non-saturating loss, lazy R1) and the
matching of its features bring back the detail that L1 alone averages away.
"""
from __future__ import annotations

import argparse
import copy
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .data import material
from .fast import synthesise
from .latent import Z_DIM
from .mapping import assemble, show
from .networks import Discriminator, Mapping, Synthesis
from .run import CHANNELS, W_DIM, Journal, Pairs, face_weight, falling, follow, prepare, pyramid_loss, save, to_bytes
from .sheet import write_sheet

JUDGE = {4: 128, 8: 128, 16: 96, 32: 48, 64: 24, 128: 16}
SYNTHESIS_RATE, MAPPING_RATE, JUDGE_RATE = 2e-3, 4e-4, 2e-3
BATCH, GAMMA, LAZY = 8, 0.5, 16
WARM = 1_200  # images on which the discriminator alone learns first
MATCHING = 1.0  # weight of feature matching


class Whole(nn.Module):
    """z -> image, with the mapping network at learning-rate multiplier 1."""

    def __init__(self, sizes: list[int], size: int):
        super().__init__()
        self.mapping = Mapping(Z_DIM, sizes, lr_multiplier=1.0)
        self.synthesis = Synthesis(W_DIM, {r: c for r, c in CHANNELS.items() if r <= size}, size)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return synthesise(self.synthesis, self.mapping(z))


def polish(options: argparse.Namespace) -> None:
    prepare(options.seed + 1)
    journal, pairs = Journal(options.run), Pairs(options.data, options.size, options.seed + 1)
    weight = face_weight(material(options.data), options.size)
    checkpoint = options.run / "checkpoint.pt"
    state = torch.load(checkpoint) if checkpoint.is_file() else None
    source = torch.load(options.source / "generator.pt")
    sizes = [source["mapping"][f"fc{k}.weight"].shape[0] for k in range(4)]
    net = Whole(sizes, options.size)
    net.mapping.load_state_dict(source["mapping"])
    net.synthesis.load_state_dict({k[len("synthesis."):]: v for k, v in source["G_ema"].items() if k.startswith("synthesis.")})
    average = copy.deepcopy(net)
    judge = Discriminator({r: c for r, c in JUDGE.items() if r <= options.size}, options.size)
    maker_optimiser = torch.optim.Adam([{"params": net.synthesis.parameters()}, {"params": net.mapping.parameters()}], betas=(0.0, 0.99))
    judge_optimiser = torch.optim.Adam(judge.parameters(), lr=JUDGE_RATE, betas=(0.0, 0.99))
    seen = step = 0
    if state:
        for part, name in ((net, "net"), (average, "average"), (judge, "judge"), (maker_optimiser, "maker_optimiser"), (judge_optimiser, "judge_optimiser")):
            part.load_state_dict(state[name])
        seen, step = state["seen"], state["step"]
        pairs.rng = np.random.default_rng([options.seed + 1, seen])
    held_z, held_y = pairs.held_out(256)

    def report() -> None:
        with torch.no_grad():
            made = torch.cat([average(z) for z in held_z.split(32)])
        detail = lambda x: (x - F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)).abs().mean().item()
        journal.write(seen, heldOutL1=(made - held_y).abs().mean().item(), sharpness=detail(made) / detail(held_y))
        rows = [x for i in (0, 16, 32) for x in (to_bytes(made[i:i + 16]), to_bytes(held_y[i:i + 16]))]
        write_sheet(options.run / "pairs.png", np.concatenate(rows))
        save(checkpoint, {"net": net.state_dict(), "average": average.state_dict(), "judge": judge.state_dict(), "maker_optimiser": maker_optimiser.state_dict(),
                          "judge_optimiser": judge_optimiser.state_dict(), "seen": seen, "step": step})
        generator = assemble(average.mapping, average.synthesis)
        save(options.run / "generator.pt", {"G_ema": generator.state_dict(), "seen": source["seen"] + seen, "mapping": average.mapping.state_dict(), "choices": source.get("choices")})
        show(generator, options.run / "sheet.png")

    saved = time.process_time()
    while seen < options.images:
        rate = falling(seen, options.images)
        for group, base in zip(maker_optimiser.param_groups, (SYNTHESIS_RATE, MAPPING_RATE)):
            group["lr"] = base * rate
        z, y = pairs.next(BATCH)
        made = net(z)
        values = {"l1": (made - y).abs().mean().item()}
        if options.adversarial > 0:
            judge.requires_grad_(True)
            judge_optimiser.zero_grad(set_to_none=True)
            real, fake = judge(y), judge(made.detach())
            loss = F.softplus(-real).mean() + F.softplus(fake).mean()
            if step % LAZY == 0:
                some = y[:4].clone().requires_grad_()
                slope, = torch.autograd.grad(judge(some).sum(), some, create_graph=True)
                loss = loss + slope.square().sum([1, 2, 3]).mean() * (GAMMA / 2 * LAZY)
            loss.backward()
            judge_optimiser.step()
            judge.requires_grad_(False)
            values |= {"real": real.mean().item(), "fake": fake.mean().item()}
        seen, step = seen + BATCH, step + 1
        if seen > WARM or options.adversarial == 0:
            loss = pyramid_loss(made - y, weight)
            if options.adversarial > 0:
                maps = judge.features(made)
                with torch.no_grad():
                    wanted = judge.features(y)
                matching = sum((a - b).abs().mean() / (b.abs().mean() + 1e-3) for a, b in zip(maps, wanted)) / len(maps)
                adversarial = F.softplus(-judge.judge(maps[-1])).mean()
                loss = loss + MATCHING * matching + options.adversarial * adversarial
                values |= {"matching": matching.item()}
            maker_optimiser.zero_grad(set_to_none=True)
            loss.backward()
            maker_optimiser.step()
            if step % 4 == 0:
                follow(average, net, 0.98)
        journal.add(**values)
        if time.process_time() - saved > options.save_every:
            report()
            saved = time.process_time()
    report()
