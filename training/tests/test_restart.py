"""Training goes on from a released file."""
import argparse
import copy
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from faces import portraits
from export import write_model
from foilgan import data, latent, mapping, material
from foilgan.coder import Chooser, Coder
from foilgan.networks import Mapping, Synthesis
from foilgan.polish import polish
from foilgan.recolour import spread
from foilgan.restart import find_coder, restart
from foilgan.run import CHANNELS, W_DIM
from foilgan.sampler import FaceSampler


class Restart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.material = material.build(*portraits())
        cls.choices = FaceSampler(cls.material, 64).choice
        cls.donors = {region: len(choice.donors) for region, choice in cls.choices.items()}
        torch.manual_seed(0)
        cls.coder = Coder(cls.donors, W_DIM, cls.choices).requires_grad_(False)
        net = Mapping(latent.Z_DIM, mapping.widths(cls.choices), lr_multiplier=1.0)
        mapping.start(net, cls.coder, cls.choices)
        synthesis = Synthesis(W_DIM, {r: c for r, c in CHANNELS.items() if r <= 64}, 64)
        for name, value in synthesis.named_parameters():
            if name.endswith('bias'):  # all different, as trained ones are: of equal ones the file would hold one
                value.data.add_(0.1 * torch.randn_like(value))
        cls.released = mapping.assemble(net, synthesis)

    def test_the_coder_found_is_nearer_to_the_mapping_network_than_the_one_it_was_fitted_to(self):
        chooser, found = Chooser(self.choices), Coder(self.donors, W_DIM).requires_grad_(False)
        find_coder(found, self.released, chooser, samples=4096)
        z = np.float32(np.random.default_rng(1).standard_normal((512, latent.Z_DIM)))
        with torch.no_grad():
            w = self.released.mapping(torch.from_numpy(z))
            error = lambda coder: float((coder(chooser(z)) - w).square().mean() / w.var(0).mean())
            self.assertLess(error(found), error(self.coder))

    def test_a_release_becomes_a_run_that_polish_goes_on_from(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            self.material.save(folder / 'material.npz')
            sampler = FaceSampler(self.material, 64)
            data.write_shard(sampler, folder, 0, 32)
            data.write_shard(sampler, folder, data.VALIDATION, 64)
            history = [('regression', 64, 400), ('discriminator', 64, 40)]
            released = copy.deepcopy(self.released)
            spread(released, {16: 1.3})
            write_model(released, folder, 'released', align={'mode': 'detect'}, licence='CC0-1.0', source='a test', psi=1.2,
                        notes={'history': history, 'latents': 5, 'gains': {'16': 1.3}})
            options = argparse.Namespace(data=folder, source=folder / 'released.json', run=folder / 'run', images=32, seed=0)
            restart(options)
            run = torch.load(folder / 'run' / 'checkpoint.pt')
            stored = torch.load(folder / 'run' / 'generator.pt')
            self.assertEqual((run['history'], stored['latents']), (history, 5))
            torch.testing.assert_close(stored['mapping']['fc0.weight'] / stored['mapping']['fc0.weight'].std(),
                                       self.released.mapping.fc0.weight / self.released.mapping.fc0.weight.std(), atol=1e-3, rtol=1e-3)
            torch.testing.assert_close(run['average']['synthesis.b16.conv1.affine.weight'], self.released.synthesis.b16.conv1.affine.weight, atol=1e-3, rtol=1e-3)
            polish(argparse.Namespace(data=folder, source=folder / 'run', run=folder / 'polished', images=8, size=64, seed=0, adversarial=0.05,
                                      save_every=1e9))
            self.assertEqual(torch.load(folder / 'polished' / 'checkpoint.pt')['history'], [*history, ('discriminator', 64, 8)])


if __name__ == '__main__':
    unittest.main()
