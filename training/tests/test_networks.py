"""The network against the textbook form of every operation: dynamic weights, transposed convolution, zero stuffing."""
import math
import unittest

import torch
import torch.nn.functional as F

from support import WIDTHS, generator
from foilgan.networks import (ConvLayer, Discriminator, SynthesisLayer, fir_kernel, minibatch_deviation, up_conv, upsample)


def zero_stuffed(x):
    n, c, h, w = x.shape
    return torch.stack([x, torch.zeros_like(x)], -1).reshape(n, c, h, 2 * w).unsqueeze(3).mul(
        torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2, 1)).reshape(n, c, 2 * h, 2 * w)


def filtered(x, pad, gain=1.0):
    """FIR over every channel after padding (before, after) both axes."""
    c = x.shape[1]
    return F.conv2d(F.pad(x, (*pad, *pad)), (fir_kernel() * gain).expand(c, 1, 4, 4), groups=c)


def linear(layer, x, lr=1.0):
    return x @ (layer.weight * lr / math.sqrt(layer.weight.shape[1])).t() + layer.bias * lr


def lrelu(x):
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def textbook_layer(layer, x, w, up):
    """One sample at a time with its own modulated and demodulated weights."""
    style = linear(layer.affine, w)
    images = []
    for i in range(len(x)):
        weight = layer.weight * style[i][None, :, None, None]
        weight = weight * (weight.square().sum([1, 2, 3], keepdim=True) + 1e-8).rsqrt()
        if up:
            y = filtered(F.conv_transpose2d(x[i:i + 1], weight.transpose(0, 1), stride=2), (1, 1), 4)
        else:
            y = F.conv2d(x[i:i + 1], weight, padding=1)
        images.append(y)
    y = torch.cat(images) + layer.noise_const * layer.noise_strength
    return lrelu(y + layer.bias[:, None, None])


def textbook_generator(net, z, psi, lr=0.01):
    x = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
    for k in range(net.mapping.num_layers):
        x = lrelu(linear(getattr(net.mapping, f'fc{k}'), x, lr))
    w = torch.lerp(net.mapping.w_avg, x, psi)
    image = None
    x = net.synthesis.b4.const.expand(len(z), -1, -1, -1)
    for resolution in net.synthesis.resolutions:
        block = getattr(net.synthesis, f'b{resolution}')
        if resolution > 4:
            x = textbook_layer(block.conv0, x, w, up=True)
        x = textbook_layer(block.conv1, x, w, up=False)
        style = linear(block.torgb.affine, w) / math.sqrt(x.shape[1])
        rgb = F.conv2d(x * style[:, :, None, None], block.torgb.weight) + block.torgb.bias[:, None, None]
        image = rgb if image is None else filtered(zero_stuffed(image), (2, 1), 4) + rgb
    return image


class Operations(unittest.TestCase):
    def close(self, a, b, tolerance=1e-5):
        self.assertEqual(a.shape, b.shape)
        self.assertLess((a - b).abs().max().item(), tolerance * max(1.0, b.abs().max().item()))

    def test_up_convolution_is_transposed_convolution_then_fir(self):
        torch.manual_seed(1)
        x, weight = torch.randn(2, 5, 7, 6), torch.randn(4, 5, 3, 3)
        self.close(up_conv(x, weight), filtered(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), (1, 1), 4))

    def test_up_convolution_has_the_same_gradients(self):
        torch.manual_seed(2)
        x, weight = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 3, 3, requires_grad=True)
        probe = torch.randn(2, 2, 8, 8)
        ours, = torch.autograd.grad((up_conv(x, weight) * probe).sum(), weight)
        theirs = filtered(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), (1, 1), 4)
        theirs, = torch.autograd.grad((theirs * probe).sum(), weight)
        self.close(ours, theirs)

    def test_upsampling_is_zero_stuffing_then_fir(self):
        torch.manual_seed(3)
        image = torch.randn(2, 3, 5, 8)
        self.close(upsample(image), filtered(zero_stuffed(image), (2, 1), 4))

    def test_modulation_outside_equals_dynamic_weights(self):
        for up in (False, True):
            torch.manual_seed(4)
            layer = SynthesisLayer(6, 5, 7, 16 if up else 8, up=up)
            layer.noise_strength.data.fill_(0.5)
            layer.bias.data.normal_()
            x, w = torch.randn(3, 6, 8, 8), torch.randn(3, 7)
            self.close(layer(x, w), textbook_layer(layer, x, w, up))

    def test_the_clamp_bounds_activations(self):
        torch.manual_seed(5)
        free, clamped = (SynthesisLayer(6, 5, 7, 8, conv_clamp=limit) for limit in (None, 0.5))
        clamped.load_state_dict(free.state_dict())
        x, w = torch.randn(3, 6, 8, 8), torch.randn(3, 7)
        self.assertGreater(free(x, w).max().item(), 0.5)
        self.close(clamped(x, w), free(x, w).clamp(-0.5, 0.5))

    def test_down_convolutions_filter_then_halve(self):
        torch.manual_seed(8)
        x = torch.randn(2, 6, 8, 8)
        conv = ConvLayer(6, 5, 3, down=True, conv_clamp=1.5)
        conv.bias.data.normal_()
        gain = math.sqrt(0.5)
        weight = conv.weight / math.sqrt(6 * 9)
        textbook = lrelu(F.conv2d(filtered(x, (2, 2)), weight, stride=2) + conv.bias[:, None, None]) * gain
        self.close(conv(x, gain=gain), textbook.clamp(-1.5 * gain, 1.5 * gain))
        skip = ConvLayer(6, 5, 1, bias=False, activate=False, down=True)
        self.close(skip(x), F.conv2d(filtered(x, (1, 1))[:, :, ::2, ::2], skip.weight / math.sqrt(6)))

    def test_minibatch_deviation_of_equal_images_is_nearly_zero_and_of_different_ones_is_not(self):
        torch.manual_seed(6)
        one = torch.randn(1, 4, 4, 4)
        self.assertLess(minibatch_deviation(one.repeat(4, 1, 1, 1), 4)[:, 4].max().item(), 1e-3)
        x = torch.randn(8, 4, 4, 4)
        deviation = minibatch_deviation(x, 4)[:, 4, 0, 0]
        for i in range(2):
            group = x[i::2]
            self.close(deviation[i], (group.var(0, unbiased=False) + 1e-8).sqrt().mean())


class Networks(unittest.TestCase):
    close = Operations.close

    def test_the_generator_equals_its_textbook_form_at_any_truncation(self):
        net = generator(32)
        z = torch.randn(3, 16)
        with torch.no_grad():
            for psi in (0.0, 0.6, 1.0):
                self.close(net(z, psi=psi), textbook_generator(net, z, psi), 2e-5)
            self.close(net(z), net(z, psi=1.0))

    def test_psi_zero_shows_one_face(self):
        with torch.no_grad():
            images = generator(16)(torch.randn(3, 16), psi=0.0)
        self.close(images[1:], images[:1].expand(2, -1, -1, -1))

    def test_upto_gives_the_image_of_that_resolution(self):
        net = generator(32)
        w = torch.randn(2, 20)
        with torch.no_grad():
            for resolution in (4, 8, 16, 32):
                self.assertEqual(net.synthesis(w, upto=resolution).shape, (2, 3, resolution, resolution))
            self.close(net.synthesis(w, upto=32), net.synthesis(w))
        with self.assertRaisesRegex(ValueError, 'upto'):
            net.synthesis(w, upto=12)

    def test_names_and_shapes_are_those_of_the_public_state_dict(self):
        state = {name: list(value.shape) for name, value in generator(8, c_dim=3).state_dict().items()}
        layer = lambda name, i, o, r: {  # noqa: E731
            f'{name}.affine.weight': [i, 20], f'{name}.affine.bias': [i], f'{name}.weight': [o, i, 3, 3], f'{name}.bias': [o],
            f'{name}.noise_strength': [], f'{name}.noise_const': [r, r], f'{name}.resample_filter': [4, 4]}
        rgb = lambda name, i: {  # noqa: E731
            f'{name}.affine.weight': [i, 20], f'{name}.affine.bias': [i], f'{name}.weight': [3, i, 1, 1], f'{name}.bias': [3]}
        self.assertEqual(state, {
            'mapping.w_avg': [20], 'mapping.embed.weight': [20, 3], 'mapping.embed.bias': [20],
            'mapping.fc0.weight': [20, 36], 'mapping.fc0.bias': [20], 'mapping.fc1.weight': [20, 20], 'mapping.fc1.bias': [20],
            'synthesis.b4.const': [24, 4, 4], 'synthesis.b4.resample_filter': [4, 4], 'synthesis.b8.resample_filter': [4, 4],
            **layer('synthesis.b4.conv1', 24, 24, 4), **rgb('synthesis.b4.torgb', 24),
            **layer('synthesis.b8.conv0', 24, 24, 8), **layer('synthesis.b8.conv1', 24, 24, 8), **rgb('synthesis.b8.torgb', 24)})

    def test_a_fresh_generator_has_features_of_unit_size(self):
        # Equalised learning rate and the gains keep the second moment near 1 through every layer.
        net = generator(64, seed=3)
        seen = []
        hooks = [m.register_forward_hook(lambda _m, _i, y: seen.append(y.square().mean().item()))
                 for m in net.modules() if isinstance(m, SynthesisLayer)]
        with torch.no_grad():
            net(torch.randn(8, 16))
        for hook in hooks:
            hook.remove()
        self.assertEqual(len(seen), 9)
        for moment in seen:
            self.assertTrue(0.3 < moment < 3, seen)

    def test_bfloat16_feature_maps_give_nearly_the_same_image_and_gradients(self):
        net = generator(32)
        w = torch.randn(4, 20)
        images, gradients = [], []
        for kind in (torch.float32, torch.bfloat16):
            image = net.synthesis(w, kind=kind)
            self.assertEqual(image.dtype, torch.float32)
            image.square().mean().backward()
            images.append(image.detach())
            gradients.append(net.synthesis.b8.conv0.weight.grad.clone())
            net.zero_grad(set_to_none=True)
        for exact, coarse in (images, gradients):
            self.assertLess((coarse - exact).norm().item(), 0.03 * exact.norm().item())
            self.assertGreater((coarse - exact).norm().item(), 0)
        critic = Discriminator(WIDTHS, 32)
        logits = critic(images[0].bfloat16())
        self.assertEqual(logits.dtype, torch.float32)
        self.close(logits, critic(images[0]), 0.1)

    def test_the_average_of_w_is_tracked(self):
        net = generator(8)
        net.mapping.w_avg.zero_()
        for expected in (0.2, 0.38):
            net.mapping.track(torch.tensor([[1.0] * 20, [3.0] * 20]), beta=0.9)
            self.close(net.mapping.w_avg, torch.full([20], expected))

    def test_the_discriminator_learns_to_tell_flat_from_noisy_images(self):
        torch.manual_seed(7)
        net = Discriminator(WIDTHS, 16)
        self.assertIn('b16.fromrgb.weight', net.state_dict())
        optimiser = torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.0, 0.99))
        for _ in range(100):
            real, fake = torch.randn(8, 3, 16, 16), torch.randn(8, 3, 1, 1).expand(-1, -1, 16, 16)
            loss = F.softplus(-net(real)).mean() + F.softplus(net(fake)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            self.assertGreater(net(torch.randn(8, 3, 16, 16)).mean().item(), 1)
            self.assertLess(net(torch.randn(8, 3, 1, 1).expand(-1, -1, 16, 16)).mean().item(), -1)

    def test_the_discriminator_permits_the_gradient_penalty(self):
        net = Discriminator(WIDTHS, 16)
        image = torch.randn(4, 3, 16, 16, requires_grad=True)
        gradient, = torch.autograd.grad(net(image).sum(), image, create_graph=True)
        gradient.square().sum().backward()
        self.assertTrue(all(p.grad is not None for name, p in net.named_parameters() if name != 'b4.out.bias'))


if __name__ == '__main__':
    unittest.main()
