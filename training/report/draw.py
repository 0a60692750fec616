"""Images for the report: samples of the face sampler, and the portraits themselves at the generator's resolution.

    PYTHONPATH=training /usr/bin/python3 training/report/draw.py --data FOLDER --samples 2000 --out FOLDER
"""
from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from foilgan.data import VALIDATION, latents, material
from foilgan.portraits import load_portraits, portraits_folder
from foilgan.sampler import FaceSampler


def main() -> None:
    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--portraits")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    _, images, _ = load_portraits(portraits_folder(options.portraits))
    small = [cv2.resize(image, (options.size, options.size), interpolation=cv2.INTER_AREA)[..., ::-1] for image in images]
    np.save(options.out / "portraits.images.npy", np.stack(small))
    # Latents that no training has seen.
    sampler = FaceSampler(material(options.data, options.portraits), options.size)
    np.save(options.out / "sampler.images.npy", sampler.images(latents(VALIDATION + 1, options.samples)))


if __name__ == "__main__":
    main()
