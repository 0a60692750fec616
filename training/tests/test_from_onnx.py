"""An exported generator read back into the network."""
import tempfile
import unittest
from pathlib import Path

import torch

from support import Z_DIM, generator
from export import write_model
from foilgan.checkpoint import Unusable
from foilgan.from_onnx import from_onnx
from foilgan.recolour import spread


class FromOnnx(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.z = torch.randn(3, Z_DIM, generator=torch.Generator().manual_seed(1))

    def written(self, net, name, precision='fp32'):
        write_model(net, self.folder, name, align={'mode': 'detect'}, licence='CC0-1.0', source='a test', precision=precision)
        return self.folder / f'{name}.onnx'

    def test_it_makes_the_same_images_at_any_truncation(self):
        net = generator(32, mapping_widths=[40, 24, 20])
        back = from_onnx(self.written(net, 'a'))
        with torch.no_grad():
            for psi in (0.0, 0.7, 1.3):
                torch.testing.assert_close(back(self.z, psi=psi), net(self.z, psi=psi), atol=2e-5, rtol=1e-4)

    def test_storing_it_again_loses_nothing_more(self):
        first = from_onnx(self.written(generator(32), 'a', 'fp16'))
        second = from_onnx(self.written(first, 'b', 'fp16'))
        with torch.no_grad():
            torch.testing.assert_close(second(self.z), first(self.z), atol=1e-4, rtol=1e-4)

    def test_any_other_file_is_refused_by_name(self):
        for content in (b'', b'not an onnx file', bytes(range(256))):
            path = self.folder / 'other.onnx'
            path.write_bytes(content)
            with self.assertRaisesRegex(Unusable, 'other.onnx: no generator'):
                from_onnx(path)


class Spread(unittest.TestCase):
    def setUp(self):
        self.z = torch.randn(3, Z_DIM, generator=torch.Generator().manual_seed(1))

    def image(self, net, psi):
        with torch.no_grad():
            return net(self.z, psi=psi)

    def test_one_gain_everywhere_is_a_truncation(self):
        net, plain = generator(16), generator(16)
        spread(net, {4: 1.2, 8: 1.2, 16: 1.2})
        torch.testing.assert_close(self.image(net, 0.5), self.image(plain, 0.6), atol=1e-4, rtol=1e-4)

    def test_one_resolution_alone_keeps_the_mean_face_and_the_coarser_images(self):
        net, plain = generator(16), generator(16)
        spread(net, {16: 1.5})
        torch.testing.assert_close(self.image(net, 0.0), self.image(plain, 0.0), atol=1e-4, rtol=1e-4)
        with torch.no_grad():
            torch.testing.assert_close(net(self.z, upto=8), plain(self.z, upto=8))
        self.assertGreater((self.image(net, 1.0) - self.image(plain, 1.0)).abs().max().item(), 0.01)


if __name__ == '__main__':
    unittest.main()
