"""The trained default generator -> models/generator/foilgan-64.onnx and its card.

    /usr/bin/python3 training/export_default.py --run training/runs/NAME-polish --out models/generator
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from export import write_model
from foilgan.checkpoint import build_generator

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--psi", type=float, default=1.25, help="the card's default; above 1 because the synthesis network answers w with too little change")
    parser.add_argument("--release", default="0.1.0")
    parser.add_argument("--figures", type=Path, help="report.json of `make generator-report`, for the card's notes")
    options = parser.parse_args()
    state = torch.load(options.run / "generator.pt")
    generator = build_generator(state["G_ema"], conv_clamp=0)
    side = generator.img_resolution
    notes = {
        "data": "samples of Foilbank's face sampler, which recombines 1,078 portraits (training/README.md); no photo of a real person",
        "licences": "portraits: CC0 1.0 and MIT (Copyright (c) 2024 David Beniaguev); these weights: Apache-2.0",
        "training": training(state),
        "limits": "hair and cloth are mottled at full resolution; hats, scarves and glasses blur into hair and skin; extreme poses and expressions "
                  "are missing; it may repeat traits of its portraits: the audit in training/README.md says how often",
    }
    if options.figures:
        notes["figures"] = json.loads(options.figures.read_text())
    card = write_model(generator, options.out, f"foilgan-{side}", align=alignment(side), licence="Apache-2.0", source=SOURCE,
                       version=options.release, psi=options.psi, precision="fp16", notes=notes)
    print(f"{card['file']}: {card['bytes'] / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
