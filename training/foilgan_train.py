"""Trains the default generator in three stages, on one CPU core:

    /usr/bin/python3 training/foilgan_train.py distil --data FOLDER --run training/runs/NAME --images 400000
    /usr/bin/python3 training/foilgan_train.py polish --data FOLDER --from training/runs/NAME --run training/runs/NAME-polish --images 40000
    /usr/bin/python3 training/foilgan_train.py map --run training/runs/NAME-polish --cpu-seconds 1200

`distil` regresses the sampler's choices -> image on rendered samples (`--size 128 --from RUN` grows the network of a run at 64), `polish` goes on with a discriminator and feature matching,
`map` fits the mapping network z -> w on unlimited latents (`polish` leaves w alone, so the two may run side by side: `map --run
training/runs/NAME`, then `map --from training/runs/NAME --run training/runs/NAME-polish --cpu-seconds 0`). `distil` and `polish`
stop at --images (the learning rate falls over the last part) or when killed; the same command resumes from the last checkpoint.
`map` writes RUN/generator.pt, which export_default.py reads. Where the runs are gone, `restart --from models/generator/foilgan-64.json`
makes one of the released file that `polish`, `map` and growing go on from.
"""
from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from pathlib import Path

from foilgan.distil import distil
from foilgan.mapping import fit_run
from foilgan.polish import polish
from foilgan.restart import restart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    stages = parser.add_subparsers(dest="stage", required=True)
    for name, stage in (("distil", distil), ("map", fit_run), ("polish", polish), ("restart", restart)):
        command = stages.add_parser(name)
        command.set_defaults(run_stage=stage)
        command.add_argument("--run", type=Path, required=True, help="folder of checkpoints, sheets and log.jsonl")
        command.add_argument("--seed", type=int, default=0)
        if name == "map":
            command.add_argument("--cpu-seconds", type=float, default=1200)
            command.add_argument("--from", dest="source", type=Path, help="start from the mapping network of this run")
            command.add_argument("--adversarial", type=float, default=0.3, help="weight of the judge of w; 0 for mean squares alone")
            continue
        if name == "restart":
            command.add_argument("--from", dest="source", type=Path, required=True, help="model card of the release")
            command.add_argument("--data", type=Path, required=True, help="folder that `python3 -m foilgan.data` filled")
            command.add_argument("--images", type=int, default=12_000, help="pairs on which the coder is refitted")
            continue
        command.add_argument("--size", type=int, default=64, choices=(64, 128))
        command.add_argument("--data", type=Path, required=True, help="folder that `python3 -m foilgan.data` filled")
        command.add_argument("--images", type=int, required=True, help="stop after so many images seen")
        command.add_argument("--save-every", type=float, default=150, help="CPU seconds between checkpoints")
        if name == "polish":
            command.add_argument("--from", dest="source", type=Path, required=True, help="the distilled run")
            command.add_argument("--adversarial", type=float, default=0.05, help="weight of the adversarial loss")
        else:
            command.add_argument("--from", dest="source", type=Path, help="grow the network of this run at half the size instead")
    options = parser.parse_args()
    options.run_stage(options)


if __name__ == "__main__":
    main()
