"""Second stage: fit StyleGAN2's mapping network to z -> w of the distilled coder, on unlimited latents; then assemble the generator.

A donor's share of a region is a function of scores that are linear in z, so the layers start as the computation itself:
fc0 measures by how much each score exceeds a threshold (and passes z on, once with either sign), fc1 lets the donors of a region
inhibit each other, fc2 and fc3 are the coder's embeddings and two layers. All four are then fitted together.
"""
from __future__ import annotations

import argparse
import copy
import time

import numpy as np
import torch
from torch import nn

from .coder import EMBEDDING, FACTOR_DIMS, TAIL, Chooser, Coder
from .latent import SLICES, Z_DIM, Choice, normalised
from .networks import SLOPE, SQRT2, Generator, Mapping
from .run import CHANNELS, W_DIM, Journal, prepare, save

BELOW = 0.25  # how far below the sampler's threshold a unit opens
INHIBITION = 0.6
RATE = 2e-3


def widths(choices: dict[str, Choice]) -> list[int]:
    donors = sum(len(c.donors) for c in choices.values())
    return [donors + 2 * Z_DIM, donors + 2 * FACTOR_DIMS, TAIL, W_DIM]


@torch.no_grad()
def start(mapping: Mapping, coder: Coder, choices: dict[str, Choice]) -> None:
    """The layers as the computation itself; `mapping` has lr_multiplier 1.

    A leaky unit of gain sqrt 2 and slope a is l(x); relu(x) = (l(x) / sqrt 2 - a x) / (1 - a), and where x is linear in z, so is
    the leak: fc0 passes z on with either sign, z = (l(z) - l(-z)) / (sqrt 2 (1 + a)), and fc1 takes the leak away.
    """
    def put(k: int, weight: torch.Tensor, bias: torch.Tensor) -> None:
        layer = getattr(mapping, f"fc{k}")
        layer.weight.copy_(weight / layer.weight_gain)
        layer.bias.copy_(bias / layer.bias_gain)

    keys = torch.from_numpy(np.concatenate([c.keys for c in choices.values()]))
    shift = torch.cat([torch.full([len(c.donors)], BELOW - c.threshold) for c in choices.values()])
    donors, eye = len(keys), torch.eye(Z_DIM)
    put(0, torch.cat([keys, eye, -eye]), torch.cat([shift, torch.zeros(2 * Z_DIM)]))
    # fc1: among rectified scores h, donor i keeps h_i less INHIBITION times the others' of its region.
    inhibit, row = torch.zeros(donors, donors), 0
    for choice in choices.values():
        n = len(choice.donors)
        inhibit[row:row + n, row:row + n] = (1 + INHIBITION) * torch.eye(n) - INHIBITION
        row += n
    factors = torch.zeros(FACTOR_DIMS, Z_DIM)
    factors[:, SLICES["shape"].start:][:, :FACTOR_DIMS] = torch.eye(FACTOR_DIMS)
    direct = torch.cat([-(SLOPE / (1 - SLOPE)) * inhibit @ keys, factors, -factors]) / (SQRT2 * (1 + SLOPE))
    units = torch.cat([inhibit / ((1 - SLOPE) * SQRT2), torch.zeros(2 * FACTOR_DIMS, donors)])
    put(1, torch.cat([units, direct, -direct], 1), torch.cat([-(SLOPE / (1 - SLOPE)) * inhibit @ shift, torch.zeros(2 * FACTOR_DIMS)]))
    # fc2: the embeddings, about each region's mean, into the coder's first layer, each region at the scale that fits best.
    z = np.float32(np.random.default_rng(4).standard_normal((4096, Z_DIM)))
    hidden = mapping.fc1(mapping.fc0(torch.from_numpy(normalised(z))))
    chosen = Chooser(choices)(z)
    tail = coder.tail0.weight * coder.tail0.weight_gain
    bias, blocks, column, row = coder.tail0.bias * coder.tail0.bias_gain, [], 0, 0
    for region, dims in EMBEDDING.items():
        table, part, n = getattr(coder, region), tail[:, column:column + dims], len(choices[region].donors)
        centred = (table - table.mean(0)) @ part.t()
        made, wanted = hidden[:, row:row + n] @ centred, chosen[region] @ centred
        made_mean, wanted_mean = made.mean(0), wanted.mean(0)
        scale = ((made - made_mean) * (wanted - wanted_mean)).sum() / (made - made_mean).square().sum()
        bias = bias + part @ table.mean(0) + wanted_mean - scale * made_mean
        blocks.append(scale * centred.t())
        column, row = column + dims, row + n
    both = tail[:, column:] / (SQRT2 * (1 + SLOPE))
    put(2, torch.cat(blocks + [both, -both], 1), bias)
    put(3, coder.tail1.weight * coder.tail1.weight_gain, coder.tail1.bias * coder.tail1.bias_gain)


def fit(mapping: Mapping, coder: Coder, chooser: Chooser, cpu_seconds: float, seed: int, journal: Journal, batch: int = 256) -> Mapping:
    """Regresses z -> w (and the coder's first layer) by mean square; returns the moving average."""
    rng = np.random.default_rng([seed, 77])
    latents = lambda n: np.float32(rng.standard_normal((n, Z_DIM)))

    def layers(net: Mapping, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        x = net.fc2(net.fc1(net.fc0(x)))
        return x, net.fc3(x)

    with torch.no_grad():
        code = coder.tail0(coder.code(chooser(latents(4096))))
        scale_tail, scale_w = code.var(0).mean(), coder.tail1(code).var(0).mean()
    average = copy.deepcopy(mapping)
    optimiser = torch.optim.Adam(mapping.parameters(), lr=RATE, betas=(0.9, 0.99))
    begin = time.process_time()
    step = 0
    while (spent := time.process_time() - begin) < cpu_seconds:
        part = spent / cpu_seconds
        optimiser.param_groups[0]["lr"] = RATE * min(1, (step + 1) / 50) * min(1, max(0.02, (1 - part) / 0.6))
        z = latents(batch)
        with torch.no_grad():
            tail = coder.tail0(coder.code(chooser(z)))
            w = coder.tail1(tail)
        made_tail, made_w = layers(mapping, torch.from_numpy(z))
        tail_error, w_error = (made_tail - tail).square().mean() / scale_tail, (made_w - w).square().mean() / scale_w
        loss = tail_error + w_error
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        with torch.no_grad():
            for a, b in zip(average.parameters(), mapping.parameters()):
                a.lerp_(b, 0.02 if step > 200 else 0.2)
        journal.add(tailError=tail_error.item(), wError=w_error.item())
        if step % 200 == 0:
            journal.write(step * batch)
    return average


@torch.no_grad()
def standard(mapping: Mapping, lr_multiplier: float = 0.01) -> Mapping:
    """The same function in the layout's usual learning-rate multiplier."""
    sizes = [getattr(mapping, f"fc{k}").weight.shape[0] for k in range(mapping.num_layers)]
    out = Mapping(mapping.z_dim, sizes, lr_multiplier=lr_multiplier)
    for k in range(mapping.num_layers):
        a, b = getattr(mapping, f"fc{k}"), getattr(out, f"fc{k}")
        b.weight.copy_(a.weight * (a.weight_gain / b.weight_gain))
        b.bias.copy_(a.bias * (a.bias_gain / b.bias_gain))
    return out


@torch.no_grad()
def set_mean(generator: Generator) -> None:
    """w_avg over 16,384 latents: the centre of truncation."""
    z = torch.from_numpy(np.float32(np.random.default_rng(3).standard_normal((16384, Z_DIM))))
    generator.mapping.w_avg.copy_(torch.stack([generator.mapping(part).mean(0) for part in z.split(1024)]).mean(0))


@torch.no_grad()
def assemble(mapping: Mapping, synthesis: nn.Module) -> Generator:
    """The plain StyleGAN2 generator."""
    size = synthesis.resolutions[-1]
    sizes = [getattr(mapping, f"fc{k}").weight.shape[0] for k in range(mapping.num_layers)]
    generator = Generator(Z_DIM, W_DIM, {r: c for r, c in CHANNELS.items() if r <= size}, size, mapping_widths=sizes)
    generator.mapping.load_state_dict(standard(mapping).state_dict())
    generator.synthesis.load_state_dict(synthesis.state_dict())
    set_mean(generator)
    return generator.eval().requires_grad_(False)


def fit_run(options: argparse.Namespace) -> None:
    """RUN/checkpoint.pt of a distilled run -> RUN/generator.pt, with sheets."""
    from .distil import Distilled

    prepare(options.seed)
    state = torch.load(options.run / "checkpoint.pt")
    net = Distilled(state["choices"], options.size)
    net.load_state_dict(state["average"])
    net.requires_grad_(False)
    mapping = Mapping(Z_DIM, widths(state["choices"]), lr_multiplier=1.0)
    start(mapping, net.coder, state["choices"])
    fitted = fit(mapping, net.coder, Chooser(state["choices"]), options.cpu_seconds, options.seed, Journal(options.run / "mapping"))
    generator = assemble(fitted, net.synthesis)
    save(options.run / "generator.pt", {"G_ema": generator.state_dict(), "seen": state["seen"], "mapping": fitted.state_dict(), "choices": state["choices"]})
    show(generator, options.run / "sheet.png")


def show(generator: Generator, path, psi: float = 1.0, seed: int = 5) -> None:
    """A sheet of 96 untouched samples."""
    from .run import to_bytes
    from .sheet import write_sheet

    z = torch.from_numpy(np.float32(np.random.default_rng(seed).standard_normal((96, Z_DIM))))
    with torch.no_grad():
        write_sheet(path, to_bytes(torch.cat([generator(part, psi=psi) for part in z.split(16)])))
