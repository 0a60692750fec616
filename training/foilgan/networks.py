"""StyleGAN2 (Karras et al. 2020, arXiv 1912.04958), written for one CPU core and for export without dynamic weights.

Parameter names, tensor layouts and gains are those of the public stylegan2-ada-pytorch state dict, so a state dict of either loads into the other.
Three things are done differently, with equal results (training/tests/test_networks.py holds them to the textbook forms):

- a modulated convolution scales its input by the style and its output by the demodulation, so its weights are the same for the whole batch;
- an up-convolution is a 2x2 convolution to four output phases, a pixel shuffle and the FIR filter;
- noise, bias, demodulation and activation gain are one multiply-add (the leaky ReLU is positively homogeneous).

Shapes: z [N, z_dim], w [N, w_dim], class labels c [N, c_dim] (one-hot), images [N, 3, H, W] RGB with [-1, 1] as nominal range.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

SQRT2 = math.sqrt(2.0)
SLOPE = 0.2
EPSILON = 1e-8
TAPS = (1.0, 3.0, 3.0, 1.0)


def fir_kernel():
    """The [1, 3, 3, 1] resampling filter as a 4x4 kernel of sum 1."""
    taps = torch.tensor(TAPS)
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum()


def up_conv_weight(weight):
    """[O, I, 3, 3] -> [4 O, I, 2, 2]: the phases of a transposed convolution with stride 2, in the channel order of `pixel_shuffle`.

    Along one axis u[2i] = w[2] x[i - 1] + w[0] x[i] and u[2i + 1] = w[1] x[i].
    """
    mix = weight.new_tensor([[[0, 0, 1], [1, 0, 0]], [[0, 0, 0], [0, 1, 0]]])
    mix = torch.einsum('pia,qjb->pqijab', mix, mix).reshape(16, 9)
    out, inp = weight.shape[:2]
    phases = (weight.reshape(out * inp, 9) @ mix.t()).reshape(out, inp, 4, 4)
    return phases.transpose(1, 2).reshape(4 * out, inp, 2, 2)


def up_conv(x, weight):
    """x [N, I, H, W], weight [O, I, 3, 3] -> [N, O, 2 H, 2 W]: transposed convolution with stride 2, then the FIR filter of gain 4.

    The phases with a pixel shuffle are four times as fast as torch's transposed convolution on a CPU, and one fused 3x3
    convolution per phase (FIR folded in) has more than twice the products.
    """
    out = weight.shape[0]
    x = F.pixel_shuffle(F.conv2d(x, up_conv_weight(weight), padding=1), 2)[:, :, :-1, :-1]
    return F.conv2d(x, (fir_kernel() * 4).to(x).expand(out, 1, 4, 4), padding=1, groups=out)


def upsample_weight():
    """[4, 1, 3, 3]: the phases of upsampling by 2 with the FIR filter of gain 4."""
    a, b = TAPS[0] * 2 / sum(TAPS), TAPS[1] * 2 / sum(TAPS)
    taps = torch.tensor([[a, b, 0.0], [0.0, b, a]])
    return torch.einsum('pi,qj->pqij', taps, taps).reshape(4, 1, 3, 3)


def upsample(image):
    """[N, C, H, W] -> [N, C, 2 H, 2 W], zero beyond the border."""
    n, c, h, w = image.shape
    phases = F.conv2d(image.reshape(n * c, 1, h, w), upsample_weight().to(image), padding=1)
    return F.pixel_shuffle(phases, 2).reshape(n, c, 2 * h, 2 * w)


def normalise_second_moment(x):
    """Scales each row to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


class FullyConnected(nn.Module):
    """Linear layer with equalised learning rate; with `activate`, leaky ReLU of gain sqrt 2."""

    def __init__(self, inputs, outputs, activate=False, lr_multiplier=1.0, bias=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([outputs], bias / lr_multiplier))
        self.activate = activate
        self.weight_gain = lr_multiplier / math.sqrt(inputs)
        self.bias_gain = lr_multiplier

    def forward(self, x):
        gain = SQRT2 if self.activate else 1.0
        x = F.linear(x, self.weight * (self.weight_gain * gain), self.bias * (self.bias_gain * gain))
        return F.leaky_relu(x, SLOPE) if self.activate else x


class Mapping(nn.Module):
    """z (and a class label) -> w through `len(widths)` layers; the last width is w_dim.

    `normalise=False` leaves z as it is, for a head whose input is already a code.
    """

    def __init__(self, z_dim, widths, c_dim=0, embed_dim=None, lr_multiplier=0.01, normalise=True):
        super().__init__()
        self.z_dim, self.c_dim, self.w_dim = z_dim, c_dim, widths[-1]
        self.num_layers, self.normalise = len(widths), normalise
        inputs = z_dim
        if c_dim:
            embed_dim = embed_dim or self.w_dim
            self.embed = FullyConnected(c_dim, embed_dim)
            inputs += embed_dim
        for k, width in enumerate(widths):
            setattr(self, f'fc{k}', FullyConnected(inputs, width, activate=True, lr_multiplier=lr_multiplier))
            inputs = width
        self.register_buffer('w_avg', torch.zeros(self.w_dim))

    def forward(self, z, c=None):
        x = normalise_second_moment(z) if self.normalise else z
        if self.c_dim:
            x = torch.cat([x, normalise_second_moment(self.embed(c))], 1)
        for k in range(self.num_layers):
            x = getattr(self, f'fc{k}')(x)
        return x

    @torch.no_grad()
    def track(self, w, beta=0.998):
        """Moves the running mean `w_avg`, the centre of truncation, towards the batch's mean."""
        self.w_avg.lerp_(w.mean(0), 1 - beta)

    def truncate(self, w, psi):
        """w_avg + psi (w - w_avg): psi 0 gives the mean face, 1 leaves w alone."""
        return self.w_avg + psi * (w - self.w_avg)


def _clamp(x, limit):
    return x if limit is None else x.clamp(-limit, limit)


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, demodulated, with fixed noise, bias and leaky ReLU; `up` doubles the resolution."""

    def __init__(self, inputs, outputs, w_dim, resolution, up=False, conv_clamp=None):
        super().__init__()
        self.up, self.conv_clamp = up, conv_clamp
        self.affine = FullyConnected(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer('noise_const', torch.randn(resolution, resolution))
        self.register_buffer('resample_filter', fir_kernel())

    def forward(self, x, w):
        style, kind = self.affine(w), x.dtype
        demodulation = (style.square() @ self.weight.square().sum([2, 3]).t() + EPSILON).rsqrt()
        weight = self.weight.to(kind)
        x = x * style.to(kind)[:, :, None, None]
        x = up_conv(x, weight) if self.up else F.conv2d(x, weight, padding=1)
        offset = self.noise_const * self.noise_strength + self.bias[:, None, None]
        x = torch.addcmul((offset * SQRT2).to(kind), x, (demodulation * SQRT2).to(kind)[:, :, None, None])
        return _clamp(F.leaky_relu(x, SLOPE), self.conv_clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to three channels, not demodulated, linear."""

    def __init__(self, inputs, w_dim, conv_clamp=None):
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = FullyConnected(w_dim, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.weight_gain = 1 / math.sqrt(inputs)

    def forward(self, x, w):
        # Three output channels: a small matrix per sample costs less than scaling the whole feature map.
        matrix = (self.affine(w) * self.weight_gain)[:, None] * self.weight[None, :, :, 0, 0]
        image = torch.bmm(matrix.to(x.dtype), x.flatten(2)).unflatten(2, x.shape[2:]).float()
        return _clamp(image + self.bias[:, None, None], self.conv_clamp)


class SynthesisBlock(nn.Module):
    """One resolution: up-convolution (a learned constant at 4x4), convolution, and this resolution's share of the image."""

    def __init__(self, inputs, outputs, w_dim, resolution, conv_clamp=None):
        super().__init__()
        self.register_buffer('resample_filter', fir_kernel())
        if inputs is None:
            self.const = nn.Parameter(torch.randn(outputs, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(inputs, outputs, w_dim, resolution, up=True, conv_clamp=conv_clamp)
        self.conv1 = SynthesisLayer(outputs, outputs, w_dim, resolution, conv_clamp=conv_clamp)
        self.torgb = ToRGB(outputs, w_dim, conv_clamp=conv_clamp)

    def forward(self, x, image, w, kind):
        x = self.const.to(kind).expand(w.shape[0], -1, -1, -1) if x is None else self.conv0(x, w)
        x = self.conv1(x, w)
        rgb = self.torgb(x, w)
        return x, rgb if image is None else upsample(image) + rgb


def resolutions_of(channels, img_resolution):
    """[4, 8, ..., img_resolution], each of which `channels` must name."""
    resolutions = [4 << k for k in range(max(img_resolution // 4, 1).bit_length())]
    if resolutions[-1] != img_resolution or not set(resolutions) <= set(channels):
        raise ValueError(f'channels {channels} must name 4, 8, 16, ... up to img_resolution {img_resolution}, a power of two')
    return resolutions


class Synthesis(nn.Module):
    """w -> image. `channels` maps each resolution from 4 to `img_resolution` to its number of feature maps."""

    def __init__(self, w_dim, channels, img_resolution, conv_clamp=None):
        super().__init__()
        self.resolutions = resolutions_of(channels, img_resolution)
        inputs = None
        for resolution in self.resolutions:
            block = SynthesisBlock(inputs, channels[resolution], w_dim, resolution, conv_clamp)
            setattr(self, f'b{resolution}', block)
            inputs = channels[resolution]

    def forward(self, w, upto=None, kind=torch.float32):
        """`upto` stops at that resolution and returns its image, for progressive training.

        `kind` is the type of the feature maps; weights, styles, demodulation and the image stay float32. On a processor with
        bfloat16 products torch.bfloat16 trains half as fast again.
        """
        if upto is not None and upto not in self.resolutions:
            raise ValueError(f'upto must be one of {self.resolutions}, not {upto}')
        x = image = None
        for resolution in self.resolutions:
            x, image = getattr(self, f'b{resolution}')(x, image, w, kind)
            if resolution == upto:
                break
        return image


class Generator(nn.Module):
    """z -> image. `mapping_widths` (hidden layers' widths, then w_dim) overrides `mapping_layers` equal ones."""

    def __init__(self, z_dim, w_dim, channels, img_resolution, mapping_layers=2, mapping_widths=None, c_dim=0,
                 embed_dim=None, lr_multiplier=0.01, conv_clamp=None):
        super().__init__()
        widths = list(mapping_widths or [w_dim] * mapping_layers)
        if widths[-1] != w_dim:
            raise ValueError(f'the last of mapping_widths must be w_dim {w_dim}, not {widths[-1]}')
        self.z_dim, self.w_dim, self.c_dim = z_dim, w_dim, c_dim
        self.img_resolution = img_resolution
        self.mapping = Mapping(z_dim, widths, c_dim, embed_dim, lr_multiplier)
        self.synthesis = Synthesis(w_dim, channels, img_resolution, conv_clamp)

    def forward(self, z, c=None, psi=None, upto=None, kind=torch.float32):
        w = self.mapping(z, c)
        return self.synthesis(w if psi is None else self.mapping.truncate(w, psi), upto, kind)


class ConvLayer(nn.Module):
    """Plain convolution of the discriminator; `down` filters with the FIR and halves the resolution."""

    def __init__(self, inputs, outputs, kernel, bias=True, activate=True, down=False, conv_clamp=None):
        super().__init__()
        self.kernel, self.activate, self.down, self.conv_clamp = kernel, activate, down, conv_clamp
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.register_buffer('resample_filter', fir_kernel())
        self.weight_gain = 1 / math.sqrt(inputs * kernel * kernel)

    def forward(self, x, gain=1.0):
        full = gain * SQRT2 if self.activate else gain
        weight = (self.weight * (self.weight_gain * full)).to(x.dtype)
        bias = None if self.bias is None else (self.bias * full).to(x.dtype)
        if self.down:
            fir = self.resample_filter.to(x.dtype).expand(x.shape[1], 1, 4, 4)
            if self.kernel == 1:
                x = F.conv2d(F.conv2d(x, fir, stride=2, padding=1, groups=x.shape[1]), weight, bias)
            else:
                x = F.conv2d(F.conv2d(x, fir, padding=2, groups=x.shape[1]), weight, bias, stride=2)
        else:
            x = F.conv2d(x, weight, bias, padding=self.kernel // 2)
        if self.activate:
            x = F.leaky_relu(x, SLOPE)
        return _clamp(x, None if self.conv_clamp is None else self.conv_clamp * gain)


class DiscriminatorBlock(nn.Module):
    """Residual block from one resolution to its half; the first one also reads the image."""

    def __init__(self, inputs, outputs, first, conv_clamp=None):
        super().__init__()
        if first:
            self.fromrgb = ConvLayer(3, inputs, 1, conv_clamp=conv_clamp)
        self.conv0 = ConvLayer(inputs, inputs, 3, conv_clamp=conv_clamp)
        self.conv1 = ConvLayer(inputs, outputs, 3, down=True, conv_clamp=conv_clamp)
        self.skip = ConvLayer(inputs, outputs, 1, bias=False, activate=False, down=True)
        self.first = first

    def forward(self, x):
        if self.first:
            x = self.fromrgb(x)
        skip = self.skip(x, gain=math.sqrt(0.5))
        return skip + self.conv1(self.conv0(x), gain=math.sqrt(0.5))


def minibatch_deviation(x, group):
    """Appends one channel: the mean standard deviation over groups of the batch, which shows a generator that repeats itself.

    The batch size must be a multiple of `group`, or smaller than it.
    """
    n, c, h, w = x.shape
    group = min(group, n)
    grouped = x.reshape(group, -1, c, h, w)
    deviation = (grouped.var(0, unbiased=False) + EPSILON).sqrt().mean([1, 2, 3])
    return torch.cat([x, deviation.reshape(-1, 1, 1, 1).repeat(group, 1, h, w)], 1)


class DiscriminatorEpilogue(nn.Module):
    """4x4 features -> one logit."""

    def __init__(self, inputs, group, conv_clamp=None):
        super().__init__()
        self.group = group
        self.conv = ConvLayer(inputs + 1, inputs, 3, conv_clamp=conv_clamp)
        self.fc = FullyConnected(inputs * 16, inputs, activate=True)
        self.out = FullyConnected(inputs, 1)

    def forward(self, x):
        return self.out(self.fc(self.conv(minibatch_deviation(x.float(), self.group)).flatten(1)))


class Discriminator(nn.Module):
    """Residual discriminator: image [N, 3, R, R] -> logits [N, 1], above 0 for real.

    Feature maps have the image's type, down to 4x4; logits are float32.
    """

    def __init__(self, channels, img_resolution, group=4, conv_clamp=None):
        super().__init__()
        self.resolutions = resolutions_of(channels, img_resolution)[:0:-1]
        for k, resolution in enumerate(self.resolutions):
            block = DiscriminatorBlock(channels[resolution], channels[resolution // 2], k == 0, conv_clamp)
            setattr(self, f'b{resolution}', block)
        self.b4 = DiscriminatorEpilogue(channels[4], group, conv_clamp)

    def features(self, image):
        """The output of each residual block, finest first, for feature matching; the last one is what `judge` takes."""
        maps, x = [], image
        for resolution in self.resolutions:
            x = getattr(self, f'b{resolution}')(x)
            maps.append(x)
        return maps

    def judge(self, last):
        return self.b4(last)

    def forward(self, image):
        return self.judge(self.features(image)[-1])
