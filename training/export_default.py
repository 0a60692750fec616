"""The trained default generator -> models/generator/foilgan-64.onnx and its card.

    /usr/bin/python3 training/export_default.py --run training/runs/NAME-polish --out models/generator
    /usr/bin/python3 training/export_default.py --earlier models/generator/foilgan-64.json --gains '{"4": 0.65}' --out FOLDER

The second form retunes an earlier release, for when its run is gone. `--gains` lets each resolution see w at that gain times its
distance from the mean (foilgan/recolour.py says why); the card's notes keep the product over all releases.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from export import write_model
from foilgan.checkpoint import build_generator
from foilgan.from_onnx import from_onnx
from foilgan.networks import Generator
from foilgan.recolour import spread

SOURCE = ("trained by the Foilbank project on synthetic portraits only: faker-js/assets-person-portrait (Stable Diffusion 3, CC0 1.0) "
          "and SelfishGene/SFHQ-T2I-dataset (SDXL and FLUX.1-schnell tiles, MIT)")


def alignment(side: int) -> dict:
    """The canvas is dlib's mean face at padding 0.5, the 150-px chip the same at padding 0.25: its central 75 %."""
    shift = round(100 / side - 25.390625, 6)
    return {"mode": "fixed", "template": "dlib68-150", "scale": 200 / side, "rotation": 0, "translation": [shift, shift]}


def training(state: dict) -> str:
    """What a run went through, for the card's notes."""
    how = {"regression": "by regression", "discriminator": "with a discriminator"}
    stages = [f"{images:,} images at {size} px {how[stage]}" for stage, size, images in state["history"]]
    return ", ".join([*stages, f"the mapping network on {state['latents'] / 1e6:.1f} million latents, its w recoloured; on one CPU core"])


def trained(options: argparse.Namespace) -> tuple[Generator, dict]:
    """The generator, and what its card's notes say of data, training and gains."""
    if options.earlier:
        card = json.loads(options.earlier.read_text())
        kept = ("data", "training", "history", "latents", "gains")
        return from_onnx(options.earlier.parent / card["file"]), {name: card["notes"][name] for name in kept if name in card["notes"]}
    state = torch.load(options.run / "generator.pt")
    data = "samples of Foilbank's face sampler, which recombines 1,078 portraits (training/README.md); no photo of a real person"
    return build_generator(state["G_ema"], conv_clamp=0), {"data": data, "training": training(state), "history": state["history"], "latents": state["latents"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--run", type=Path)
    source.add_argument("--earlier", type=Path, help="card of an earlier release")
    parser.add_argument("--gains", type=json.loads, default={}, help="JSON: gain of w by resolution")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--psi", type=float, default=1.25, help="the card's default; above 1 because the synthesis network answers w with too little change")
    parser.add_argument("--release", default="0.1.0")
    parser.add_argument("--figures", type=Path, help="report.json of `make generator-report`, for the card's notes")
    options = parser.parse_args()
    generator, notes = trained(options)
    side = generator.img_resolution
    spread(generator, {int(resolution): gain for resolution, gain in options.gains.items()})
    before = notes.get("gains", {})
    gains = before | {resolution: round(before.get(resolution, 1) * gain, 4) for resolution, gain in options.gains.items()}
    notes |= {
        "licences": "portraits: CC0 1.0 and MIT (Copyright (c) 2024 David Beniaguev); these weights: Apache-2.0",
        "limits": "hair and cloth are mottled at full resolution; hats, scarves and glasses blur into hair and skin; extreme poses and expressions "
                  "are missing; it may repeat traits of its portraits: the audit in training/README.md says how often",
    } | ({"gains": gains} if gains else {})
    if options.figures:
        notes["figures"] = json.loads(options.figures.read_text())
    card = write_model(generator, options.out, f"foilgan-{side}", align=alignment(side), licence="Apache-2.0", source=SOURCE,
                       version=options.release, psi=options.psi, precision="fp16", notes=notes)
    print(f"{card['file']}: {card['bytes'] / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
