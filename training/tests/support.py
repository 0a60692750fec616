"""Shared by the tests: the path to the code under test, one thread, and networks small enough for a second."""
import sys
from pathlib import Path

import torch

TRAINING = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TRAINING))
torch.set_num_threads(1)

from foilgan.networks import Generator  # noqa: E402

WIDTHS = {4: 24, 8: 24, 16: 16, 32: 12, 64: 8, 128: 8, 256: 8}


def generator(resolution=32, seed=0, **options):
    """A random generator in which every part counts: noise strengths, biases and w_avg are not zero."""
    torch.manual_seed(seed)
    net = Generator(16, 20, WIDTHS, resolution, **{'mapping_layers': 2, **options})
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name.endswith('noise_strength'):
                value.fill_(0.3)
            elif name.endswith('bias'):
                value.add_(torch.randn_like(value) * 0.2)
        net.mapping.w_avg.normal_()
    return net.eval()
