"""Contact sheets."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_sheet(path: Path, images: np.ndarray, columns: int = 16) -> None:
    """images uint8 [N, h, w, 3] RGB, row by row; N is cut to whole rows."""
    rows = len(images) // columns
    n, h, w, c = images[: rows * columns].shape
    tiled = images[:n].reshape(rows, columns, h, w, c).transpose(0, 2, 1, 3, 4).reshape(rows * h, columns * w, c)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), tiled[..., ::-1])
