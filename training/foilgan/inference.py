"""The generator as it is exported: gains folded into the weights, every operation in the form that onnxruntime runs fastest.

Measured on onnxruntime 1.30 (64 and 128 px, batch 32, one thread): its transposed convolution followed by a depthwise FIR is 1.3
times as fast as output phases with DepthToSpace and 1.5 times as fast as one kernel with the FIR folded in. Torch on a CPU wants
the opposite, hence two modules; training/tests/test_export.py holds them together.

Weights may be stored as float16. They are cast to float32 as the file is loaded; all arithmetic is float32.
"""
import torch
import torch.nn.functional as F
from torch import nn

from .networks import EPSILON, SLOPE, SQRT2, fir_kernel, normalise_second_moment, upsample_weight

# One addition of noise and bias is up to 6 % faster than two, but their sum is a whole feature map that the runtime keeps for every
# layer: above this many values (half a gigabyte in all at 1024 px) they are added one after the other.
LARGE = 1 << 20


class WeightTooLarge(Exception):
    """A weight beyond the range of the type that is to store it."""


class Stored(nn.Module):
    """A constant of the graph, kept in `dtype`, read as float32."""

    def __init__(self, value, dtype=torch.float32):
        super().__init__()
        value = value.detach().to(dtype, copy=True)
        if not torch.isfinite(value).all():
            raise WeightTooLarge(f'a weight does not fit {str(dtype).removeprefix("torch.")}')
        self.value = nn.Parameter(value.contiguous(), requires_grad=False)

    def forward(self):
        return self.value.float()


class Dense(nn.Module):
    """Fully connected layer. `code` is a constant tail of the input: its share moves into the bias."""

    def __init__(self, layer, dtype, gain=1.0, code=None):
        super().__init__()
        self.activate = layer.activate
        gain = gain * SQRT2 if layer.activate else gain
        weight, bias = layer.weight * (layer.weight_gain * gain), layer.bias * (layer.bias_gain * gain)
        if code is not None:
            weight, tail = weight.split([weight.shape[1] - len(code), len(code)], 1)
            bias = bias + tail @ code
        self.weight, self.bias = Stored(weight, dtype), Stored(bias)

    def forward(self, x):
        x = F.linear(x, self.weight(), self.bias())
        return F.leaky_relu(x, SLOPE) if self.activate else x


class Layer(nn.Module):
    """Modulated convolution; the demodulation carries the activation's gain."""

    def __init__(self, layer, dtype):
        super().__init__()
        self.up, self.limit = layer.up, layer.conv_clamp
        self.affine = Dense(layer.affine, dtype)
        self.weight = Stored(layer.weight.transpose(0, 1) if self.up else layer.weight, dtype)
        self.bias = Stored(layer.bias[:, None, None] * SQRT2)
        self.noise = Stored((layer.noise_const * layer.noise_strength * SQRT2)[None]) if layer.noise_strength else None
        self.fir = Stored((fir_kernel() * 4).expand(len(layer.bias), 1, 4, 4)) if self.up else None

    def forward(self, x, w):
        style, weight = self.affine(w), self.weight()
        power = (weight * weight).sum([2, 3])
        demodulation = torch.rsqrt((style * style) @ (power if self.up else power.t()) + EPSILON) * SQRT2
        x = x * style[:, :, None, None]
        if self.up:
            fir = self.fir()
            x = F.conv2d(F.conv_transpose2d(x, weight, stride=2), fir, padding=1, groups=fir.shape[0])
        else:
            x = F.conv2d(x, weight, padding=1)
        x = x * demodulation[:, :, None, None]
        if self.noise is None:
            x = x + self.bias()
        elif self.noise.value.numel() * len(self.bias.value) > LARGE:
            x = x + self.noise() + self.bias()
        else:
            x = x + (self.noise() + self.bias())
        x = F.leaky_relu(x, SLOPE)
        return x if self.limit is None else x.clamp(-self.limit, self.limit)


class RGB(nn.Module):
    def __init__(self, layer, dtype):
        super().__init__()
        self.limit = layer.conv_clamp
        self.affine = Dense(layer.affine, dtype, gain=layer.weight_gain)
        self.weight, self.bias = Stored(layer.weight, dtype), Stored(layer.bias)

    def forward(self, x, w):
        image = F.conv2d(x * self.affine(w)[:, :, None, None], self.weight(), self.bias())
        return image if self.limit is None else image.clamp(-self.limit, self.limit)


class InferenceGenerator(nn.Module):
    """z [N, z_dim], psi [] -> image [N, 3, R, R].

    `label` fixes the class of a conditional network. `dtype` is how weights are stored.
    """

    def __init__(self, net, dtype=torch.float32, label=None):
        super().__init__()
        code = None
        if net.c_dim:
            one_hot = F.one_hot(torch.tensor([label]), net.c_dim).float()
            code = normalise_second_moment(net.mapping.embed(one_hot))[0].detach()
        self.mapping = nn.ModuleList(
            Dense(getattr(net.mapping, f'fc{k}'), dtype, code=code if k == 0 else None)
            for k in range(net.mapping.num_layers))
        self.normalise = net.mapping.normalise
        self.w_avg = Stored(net.mapping.w_avg)
        blocks = [getattr(net.synthesis, f'b{resolution}') for resolution in net.synthesis.resolutions]
        self.const = Stored(blocks[0].const[None], dtype)
        self.ups = nn.ModuleList(Layer(block.conv0, dtype) for block in blocks[1:])
        self.convs = nn.ModuleList(Layer(block.conv1, dtype) for block in blocks)
        self.rgbs = nn.ModuleList(RGB(block.torgb, dtype) for block in blocks)
        self.upsampling = Stored(upsample_weight().repeat(3, 1, 1, 1))

    def forward(self, z, psi):
        w = normalise_second_moment(z) if self.normalise else z
        for dense in self.mapping:
            w = dense(w)
        w_avg = self.w_avg()
        w = w_avg + psi * (w - w_avg)
        x = self.convs[0](self.const(), w)
        image = self.rgbs[0](x, w)
        for up, conv, rgb in zip(self.ups, self.convs[1:], self.rgbs[1:]):
            x = conv(up(x, w), w)
            image = F.pixel_shuffle(F.conv2d(image, self.upsampling(), padding=1, groups=3), 2) + rgb(x, w)
        return image
