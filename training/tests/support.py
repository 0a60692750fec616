"""Shared by the tests: the path to the code under test, small random networks, and onnxruntime by way of Node."""
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np
import torch

TESTS = Path(__file__).resolve().parent
TRAINING = TESTS.parent
sys.path.insert(0, str(TRAINING))
torch.set_num_threads(1)

from foilgan.networks import Generator  # noqa: E402

WIDTHS = {4: 24, 8: 24, 16: 16, 32: 12, 64: 8, 128: 8, 256: 8}
Z_DIM, W_DIM = 16, 20

needs_onnxruntime = unittest.skipUnless(
    shutil.which('node') and (TRAINING.parent / 'node_modules/onnxruntime-node').is_dir(),
    'needs node and node_modules/onnxruntime-node (npm ci)')


def generator(resolution=32, seed=0, **options):
    """A random generator in which every part counts: noise strengths, biases and w_avg are not zero."""
    torch.manual_seed(seed)
    net = Generator(Z_DIM, W_DIM, WIDTHS, resolution, **{'mapping_layers': 2, **options})
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name.endswith('noise_strength'):
                value.fill_(0.3)
            elif name.endswith('bias'):
                value.add_(torch.randn_like(value) * 0.2)
        net.mapping.w_avg.normal_()
    return net.eval()


def run_onnx(model, z, psi, batch):
    """z [N, zDim] through an ONNX generator in onnxruntime, `batch` rows at a time -> [N, 3, R, R]."""
    folder = Path(model).parent
    np.float32(z).tofile(folder / 'z.f32')
    command = ['node', TESTS / 'run_onnx.mjs', model, folder / 'z.f32', z.shape[1], psi, batch, folder / 'image.f32']
    subprocess.run([str(word) for word in command], check=True, timeout=60)
    image = torch.from_numpy(np.fromfile(folder / 'image.f32', np.float32))
    side = round((image.numel() / len(z) / 3) ** 0.5)
    return image.reshape(len(z), 3, side, side)
