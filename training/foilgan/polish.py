"""Second stage: the distilled network goes on with the same pairs and a StyleGAN2 discriminator, for the detail that L1 averages away.

The pairs keep every face; the residual discriminator (minibatch deviation, non-saturating loss, lazy R1) and the matching of its
features sharpen them. The coder stays as it is, so that the mapping network can be fitted to it meanwhile.
"""
from __future__ import annotations

import argparse
import copy
import time

import numpy as np
import torch
import torch.nn.functional as F

from .coder import Chooser
from .data import material
from .distil import Distilled
from .networks import Discriminator
from .run import Journal, Pairs, face_weight, falling, follow, prepare, pyramid_loss, save, sharpness, to_bytes
from .sheet import write_sheet

JUDGE = {4: 128, 8: 128, 16: 96, 32: 48, 64: 24, 128: 16}
RATE, JUDGE_RATE = 2e-3, 2e-3
BATCH, GAMMA, LAZY = 8, 0.5, 16
WARM = 1_600  # images on which the discriminator alone learns first
MATCHING = 1.0  # weight of feature matching


def polish(options: argparse.Namespace) -> None:
    prepare(options.seed + 1)
    journal, pairs = Journal(options.run), Pairs(options.data, options.size, options.seed + 1)
    weight = face_weight(material(options.data), options.size)
    checkpoint = options.run / "checkpoint.pt"
    state = torch.load(checkpoint) if checkpoint.is_file() else None
    start = state or torch.load(options.source / "checkpoint.pt")
    chooser, net = Chooser(start["choices"]), Distilled(start["choices"], options.size)
    net.load_state_dict(start["net" if state else "average"])
    net.coder.requires_grad_(False)
    average = copy.deepcopy(net)
    judge = Discriminator({r: c for r, c in JUDGE.items() if r <= options.size}, options.size)
    optimiser = torch.optim.Adam(net.synthesis.parameters(), betas=(0.0, 0.99))
    judge_optimiser = torch.optim.Adam(judge.parameters(), lr=JUDGE_RATE, betas=(0.0, 0.99))
    history = state["history"][:-1] if state else start["history"]
    seen, step = 0, 0
    if state:
        for part, name in ((average, "average"), (judge, "judge"), (optimiser, "optimiser"), (judge_optimiser, "judge_optimiser")):
            part.load_state_dict(state[name])
        seen, step = state["seen"], state["step"]
        pairs.rng = np.random.default_rng([options.seed + 1, seen])
    held_z, held_y = pairs.held_out(256)

    def report() -> None:
        with torch.no_grad():
            made = torch.cat([average(chooser(z.numpy())) for z in held_z.split(32)])
        journal.write(seen, heldOutL1=(made - held_y).abs().mean().item(), sharpness=sharpness(made) / sharpness(held_y))
        rows = [x for i in (0, 16, 32) for x in (to_bytes(made[i:i + 16]), to_bytes(held_y[i:i + 16]))]
        write_sheet(options.run / "pairs.png", np.concatenate(rows))
        save(checkpoint, {"net": net.state_dict(), "average": average.state_dict(), "judge": judge.state_dict(), "optimiser": optimiser.state_dict(),
                          "judge_optimiser": judge_optimiser.state_dict(), "choices": start["choices"],
                          "history": [*history, ("discriminator", options.size, seen)], "seen": seen, "step": step})

    half = lambda x: x.to(torch.bfloat16)
    saved = time.process_time()
    while seen < options.images:
        optimiser.param_groups[0]["lr"] = RATE * falling(seen, options.images)
        z, y = pairs.next(BATCH)
        made = net(chooser(z.numpy()))
        values = {"l1": (made - y).abs().mean().item()}
        judge.requires_grad_(True)
        real, fake = judge(half(y)), judge(half(made.detach()))
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        if step % LAZY == 0:
            some = y[:4].clone().requires_grad_()
            slope, = torch.autograd.grad(judge(some).sum(), some, create_graph=True)
            loss = loss + slope.square().sum([1, 2, 3]).mean() * (GAMMA / 2 * LAZY)
        judge_optimiser.zero_grad(set_to_none=True)
        loss.backward()
        judge_optimiser.step()
        judge.requires_grad_(False)
        values |= {"real": real.mean().item(), "fake": fake.mean().item(), "matching": 0.0}
        seen, step = seen + BATCH, step + 1
        if seen > WARM:
            maps = judge.features(half(made))
            with torch.no_grad():
                wanted = judge.features(half(y))
            matching = sum((a - b).abs().float().mean() / (b.abs().float().mean() + 1e-3) for a, b in zip(maps, wanted)) / len(maps)
            adversarial = F.softplus(-judge.judge(maps[-1])).mean()
            loss = pyramid_loss(made - y, weight) + MATCHING * matching + options.adversarial * adversarial
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            values["matching"] = matching.item()
            if step % 4 == 0:
                follow(average, net, 0.98)
        journal.add(**values)
        if time.process_time() - saved > options.save_every:
            report()
            saved = time.process_time()
    report()
