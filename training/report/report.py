"""Prints what a generator reaches (issue 4's figures), from embeddings that embed.mjs wrote.

    /usr/bin/python3 training/report/report.py --folder out/generator-report [--ceiling 0.95] [--json FILE]

FOLDER holds NAME.embeddings.npy and NAME.scores.npy for generated, sampler, portraits and, where they are at hand, lfw-dev
(real photos) and many (20,000 samples, embeddings only).
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from figures import accepted, frechet, nearest, pair_share, quantiles

FOUND = 0.5  # the detector's score from which a face counts as found


def read(folder: Path, name: str, kind: str = "embeddings") -> np.ndarray | None:
    path = folder / f"{name}.{kind}.npy"
    return np.load(path) if path.is_file() else None


def figures(folder: Path, ceiling: float) -> dict:
    sets = {name: read(folder, name) for name in ("generated", "sampler", "portraits", "lfw-dev", "many")}
    for name in ("generated", "sampler", "portraits"):
        if sets[name] is None:
            raise SystemExit(f"{folder}/{name}.embeddings.npy is missing: `make generator-report` writes it")
    made, drawn, portraits, real = sets["generated"], sets["sampler"], sets["portraits"], sets["lfw-dev"]
    out: dict = {"ceiling": ceiling, "samples": len(made)}
    out["found"] = {name: round(float((scores >= FOUND).mean()), 4) for name in ("generated", "sampler", "portraits", "lfw-dev")
                    if (scores := read(folder, name, "scores")) is not None}
    out["frechet"] = {"generated to sampler": frechet(made, drawn)}
    if real is not None:
        out["frechet"] |= {"sampler to lfw-dev": frechet(drawn, real), "generated to lfw-dev": frechet(made, real)}
        # Two halves of one set are never at distance 0: what this many samples can tell.
        out["frechet"]["sampler to itself (halves)"] = frechet(drawn[::2], drawn[1::2])
    out["pairs above the ceiling"] = {name: pair_share(x, ceiling) for name, x in (("generated", made), ("sampler", drawn), ("lfw-dev", real)) if x is not None}
    # The gate of `foilbank bank build` stands halfway from the ceiling to 1; at the ceiling itself it counts distinct identities.
    for name, limit in (("accepted by the near-duplicate gate", (1 + ceiling) / 2), ("distinct at the ceiling", ceiling)):
        out[name] = {"limit": limit, "generated": int(accepted(made, limit)[-1]), "sampler": int(accepted(drawn, limit)[-1]), "of": [len(made), len(drawn)]}
    audit = {}
    for name, x in (("generated", made), ("sampler", drawn), ("lfw-dev", real)):
        if x is not None:
            close = nearest(x, portraits)
            audit[name] = quantiles(close) | {"above the ceiling": round(float((close > ceiling).mean()), 5)}
    out["nearest training portrait"] = audit
    if (many := sets["many"]) is not None:
        growth = accepted(many, ceiling)
        out["capacity"] = {str(n): int(growth[n - 1]) for n in (1000, 2000, 5000, 10000, 20000) if n <= len(many)}
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--ceiling", type=float, default=0.95, help="the embedder's same-person ceiling (its card)")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    result = figures(options.folder, options.ceiling)
    text = json.dumps(result, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
