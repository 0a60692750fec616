"""Third stage: fit StyleGAN2's mapping network to z -> w of the distilled coder, on unlimited latents; then assemble the generator.

A donor's share of a region is a function of scores that are linear in z, so the layers start as the computation itself:
fc0 measures by how much each score exceeds a threshold (and passes z on, once with either sign), fc1 lets the donors of a region
inhibit each other, fc2 and fc3 are the coder's embeddings and two layers. All four are then fitted together, and what spread w
still lacks is made up in closed form (recolour.py).
"""
from __future__ import annotations

import argparse
import copy
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .coder import FACTOR_DIMS, TAIL, Chooser, Coder
from .latent import SLICES, Z_DIM, Choice, normalised
from .networks import SLOPE, SQRT2, FullyConnected, Generator, Mapping, normalise_second_moment
from .recolour import recolour
from .run import CHANNELS, W_DIM, Journal, prepare, save

BELOW = 0.25  # how far below the sampler's threshold a unit opens
INHIBITION = 0.3
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
    keys = torch.from_numpy(np.concatenate([c.keys for c in choices.values()]))
    shift = torch.cat([torch.full([len(c.donors)], BELOW - c.threshold) for c in choices.values()])
    donors, eye = len(keys), torch.eye(Z_DIM)
    _put(mapping.fc0, torch.cat([keys, eye, -eye]), torch.cat([shift, torch.zeros(2 * Z_DIM)]))
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
    _put(mapping.fc1, torch.cat([units, direct, -direct], 1), torch.cat([-(SLOPE / (1 - SLOPE)) * inhibit @ shift, torch.zeros(2 * FACTOR_DIMS)]))
    regress(mapping, coder, Chooser(choices))


@torch.no_grad()
def regress(mapping: Mapping, coder: Coder, chooser: Chooser, samples: int = 16384) -> None:
    """fc2 by ridge regression onto the coder's first layer, fc3 as the coder's second: all that changes when the coder does."""
    z = np.float32(np.random.default_rng(4).standard_normal((samples, Z_DIM)))
    hidden = torch.cat([mapping.fc1(mapping.fc0(torch.from_numpy(normalised(part)))) for part in np.split(z, 16)])
    hidden = torch.cat([hidden, torch.ones(samples, 1)], 1).double()
    wanted = torch.cat([F.linear(coder.code(chooser(part)), coder.tail0.weight * coder.tail0.weight_gain, coder.tail0.bias * coder.tail0.bias_gain)
                        for part in np.split(z, 16)]).double()
    gram = hidden.t() @ hidden
    gram += 1e-3 * gram.diagonal().mean() * torch.eye(len(gram))
    solved = torch.linalg.solve(gram, hidden.t() @ wanted).t().float()
    _put(mapping.fc2, solved[:, :-1], solved[:, -1])
    _put(mapping.fc3, coder.tail1.weight * coder.tail1.weight_gain, coder.tail1.bias * coder.tail1.bias_gain)


def _put(layer: nn.Module, weight: torch.Tensor, bias: torch.Tensor) -> None:
    layer.weight.copy_(weight / layer.weight_gain)
    layer.bias.copy_(bias / layer.bias_gain)


class Judge(nn.Module):
    """Is this w one of the coder's? Two hidden layers and the deviation over the batch, on whitened w."""

    def __init__(self, w: torch.Tensor, hidden: int = 512):
        super().__init__()
        self.register_buffer("centre", w.mean(0))
        self.register_buffer("scale", w.std(0) + 1e-3)
        self.first, self.second = FullyConnected(w.shape[1], hidden, activate=True), FullyConnected(hidden, hidden, activate=True)
        self.last = FullyConnected(hidden + 1, 1)

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        x = self.second(self.first((w - self.centre) / self.scale))
        spread = x.unflatten(0, (-1, 8)).std(1).mean(1).repeat_interleave(8)
        return self.last(torch.cat([x, spread[:, None]], 1))


def fit(mapping: Mapping, coder: Coder, chooser: Chooser, cpu_seconds: float, seed: int, journal: Journal, adversarial: float = 0.3, rate: float = RATE, batch: int = 256) -> tuple[Mapping, int]:
    """Regresses z -> w (and the coder's first layer) by mean square; returns the moving average and how many latents it saw.

    Mean squares alone would answer doubt between donors with their average, a dull face. So in the second half a small judge also
    asks that w be distributed as the coder's is: a GAN on vectors, which costs next to nothing.
    """
    rng = np.random.default_rng([seed, 77])
    latents = lambda n: np.float32(rng.standard_normal((n, Z_DIM)))

    def layers(net: Mapping, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = net.fc2(net.fc1(net.fc0(normalise_second_moment(z))))
        return x, net.fc3(x)

    with torch.no_grad():
        code = coder.tail0(coder.code(chooser(latents(4096))))
        all_w = coder.tail1(code)
        scale_tail, scale_w = code.var(0).mean(), all_w.var(0).mean()
    average, judge = copy.deepcopy(mapping), Judge(all_w)
    optimiser = torch.optim.Adam(mapping.parameters(), lr=rate, betas=(0.5, 0.99))
    judge_optimiser = torch.optim.Adam(judge.parameters(), lr=RATE, betas=(0.0, 0.99))
    begin = time.process_time()
    step = 0
    while (spent := time.process_time() - begin) < cpu_seconds:
        part = spent / cpu_seconds
        optimiser.param_groups[0]["lr"] = rate * min(1, (step + 1) / 50) * min(1, max(0.02, (1 - part) / 0.6))
        z = latents(batch)
        with torch.no_grad():
            tail = coder.tail0(coder.code(chooser(z)))
            w = coder.tail1(tail)
        made_tail, made_w = layers(mapping, torch.from_numpy(z))
        tail_error, w_error = (made_tail - tail).square().mean() / scale_tail, (made_w - w).square().mean() / scale_w
        loss = tail_error + w_error
        values = {"tailError": tail_error.item(), "wError": w_error.item(), "spread": (made_w.var(0).mean() / scale_w).item()}
        if adversarial and part > 0.4:
            real = w.clone().requires_grad_(step % 8 == 0)
            on_real, on_made = judge(real), judge(made_w.detach())
            judge_loss = F.softplus(-on_real).mean() + F.softplus(on_made).mean()
            if step % 8 == 0:
                slope, = torch.autograd.grad(on_real.sum(), real, create_graph=True)
                judge_loss = judge_loss + 8 * 0.5 * (slope * judge.scale).square().sum(1).mean()
            judge_optimiser.zero_grad(set_to_none=True)
            judge_loss.backward()
            judge_optimiser.step()
            if part > 0.45:
                loss = loss + adversarial * F.softplus(-judge(made_w)).mean()
            values |= {"real": on_real.mean().item(), "made": on_made.mean().item()}
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        with torch.no_grad():
            for a, b in zip(average.parameters(), mapping.parameters()):
                a.lerp_(b, 0.02 if step > 200 else 0.2)
        journal.add(**values)
        if step % 200 == 0:
            journal.write(step * batch)
    return average, step * batch


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
    """RUN/checkpoint.pt -> RUN/generator.pt with a sheet; goes on from the mapping network of RUN or of `--from`, where there is one."""
    from .distil import Distilled

    prepare(options.seed)
    state = torch.load(options.run / "checkpoint.pt")
    net = Distilled(state["choices"], state["history"][-1][1])
    net.load_state_dict(state["average"])
    net.requires_grad_(False)
    mapping = Mapping(Z_DIM, widths(state["choices"]), lr_multiplier=1.0)
    latents, earlier = 0, options.run / "generator.pt"
    if not earlier.is_file() and options.source:
        earlier = options.source / "generator.pt"
    if earlier.is_file():
        stored = torch.load(earlier)
        mapping.load_state_dict(stored["mapping"])
        latents = stored["latents"]
        if not _same(stored["coder"], net.coder.state_dict()):
            # The donors are the same, so what the first two layers learned holds, and only the rest follows the coder.
            regress(mapping, net.coder, Chooser(state["choices"]))
    else:
        start(mapping, net.coder, state["choices"])
    fitted, more = fit(mapping, net.coder, Chooser(state["choices"]), options.cpu_seconds, options.seed, Journal(options.run / "mapping"), options.adversarial, RATE / 3 if earlier.is_file() else RATE)
    generator = assemble(fitted, net.synthesis)
    recolour(generator, net.coder, Chooser(state["choices"]))
    save(options.run / "generator.pt", {"G_ema": generator.state_dict(), "history": state["history"], "latents": latents + more,
                                          "mapping": fitted.state_dict(), "coder": net.coder.state_dict()})
    show(generator, options.run / "sheet.png")


def _same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def show(generator: Generator, path, psi: float = 1.0, seed: int = 5) -> None:
    """A sheet of 96 untouched samples."""
    from .run import to_bytes
    from .sheet import write_sheet

    z = torch.from_numpy(np.float32(np.random.default_rng(seed).standard_normal((96, Z_DIM))))
    with torch.no_grad():
        write_sheet(path, to_bytes(torch.cat([generator(part, psi=psi) for part in z.split(16)])))
