"""The portraits that the sampler draws on: aligned images, their 68 landmarks, and the list of those left out."""
from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np

TRAINING = Path(__file__).resolve().parent.parent
CANVAS = 256  # the aligned portraits' side in pixels
RENDER = 128  # the sampler's own side in pixels


def portraits_folder(option: str | None = None) -> Path:
    """The folder of the two portrait sets: the option, else FOILBANK_PORTRAITS, else ../shared/training."""
    folder = Path(option or os.environ.get("FOILBANK_PORTRAITS") or TRAINING.parent.parent / "shared" / "training")
    if not (folder / "landmarks.json").is_file() or not (folder / "sfhq.json").is_file():
        raise SystemExit(f"no portraits in {folder}: it needs aligned/, landmarks.json, sfhq/ and sfhq.json (training/README.md says where they come from)")
    return folder


def excluded() -> dict[str, str]:
    """Name -> reason, from curation.json."""
    groups = json.loads((TRAINING / "curation.json").read_text())["excluded"]
    return {name: reason for reason, names in groups.items() for name in names}


def load_portraits(folder: Path, size: int = RENDER) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, images uint8 [n, size, size, 3] (BGR) and landmarks float32 [n, 68, 2] in pixels of that size."""
    left_out = excluded()
    files: dict[str, tuple[Path, list]] = {}
    for name, points in json.loads((folder / "landmarks.json").read_text())["landmarks"].items():
        files[name] = (folder / "aligned" / f"{name}.jpg", points)
    for name, meta in json.loads((folder / "sfhq.json").read_text()).items():
        files[name] = (folder / "sfhq" / f"{name}.jpg", meta["points"])
    names = sorted(name for name in files if name not in left_out)
    images, marks = [], []
    for name in names:
        path, points = files[name]
        image = cv2.imread(str(path))
        if image is None:
            raise SystemExit(f"{path} cannot be read as an image")
        images.append(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))
        # A pixel centre c of the large canvas lies at (c + 1/2) * ratio - 1/2 of the small one.
        marks.append((np.float32(points) + 0.5) * (size / CANVAS) - 0.5)
    return names, np.stack(images), np.stack(marks)
