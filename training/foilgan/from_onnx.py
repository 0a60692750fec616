"""A generator that this project exported -> the network it came from, so that training can go on where only the ONNX file is left.

The inverse of inference.py: gains come out of the weights again. Noise keeps its product with its strength (the file holds no more).
Weights stored as float16 stay as they were rounded, so exporting the result again gives the same image to the last bits.
"""
from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from . import onnx_file
from .networks import SQRT2, FullyConnected, Generator
from .safe_pickle import Unusable


def _undense(layer: FullyConnected, weight: torch.Tensor, bias: torch.Tensor, gain: float = 1.0) -> None:
    gain = gain * SQRT2 if layer.activate else gain
    layer.weight.copy_(weight / (layer.weight_gain * gain))
    layer.bias.copy_(bias / (layer.bias_gain * gain))


@torch.no_grad()
def from_onnx(path: Path) -> Generator:
    """The generator in an ONNX file of `export.write_model` without label and clamp, trained: of tensors
    that are equal, as in a new network, the file holds but one. Raises `Unusable` for any other file."""
    try:
        values = {name: torch.from_numpy(onnx_file.array(tensor)) for name, tensor in onnx_file.read(Path(path)).constants.items() if name.endswith('.value')}
        layers = sum(name.startswith('mapping.') for name in values) // 2
        widths = [len(values[f'mapping.{k}.bias.value']) for k in range(layers)]
        blocks = sum(name.startswith('rgbs.') for name in values) // 4
        channels = {4 << k: len(values[f'convs.{k}.bias.value']) for k in range(blocks)}
        z_dim, side = values['mapping.0.weight.value'].shape[1], 4 << blocks - 1
        net = Generator(z_dim, widths[-1], channels, side, mapping_widths=widths)
        _fill(net, values)
    except (KeyError, IndexError, ValueError, RuntimeError, StopIteration) as error:
        raise Unusable(f'{path}: no generator that this project exported ({" ".join(str(error).split())[:120]})') from error
    return net.eval().requires_grad_(False)


def _fill(net: Generator, values: dict[str, torch.Tensor]) -> None:
    take = lambda name: values[f'{name}.value']
    for k in range(net.mapping.num_layers):
        _undense(getattr(net.mapping, f'fc{k}'), take(f'mapping.{k}.weight'), take(f'mapping.{k}.bias'))
    net.mapping.w_avg.copy_(take('w_avg'))
    for k, resolution in enumerate(net.synthesis.resolutions):
        block = getattr(net.synthesis, f'b{resolution}')
        if k == 0:
            block.const.copy_(take('const')[0])
        else:
            _fill_layer(block.conv0, values, f'ups.{k - 1}')
        _fill_layer(block.conv1, values, f'convs.{k}')
        _undense(block.torgb.affine, take(f'rgbs.{k}.affine.weight'), take(f'rgbs.{k}.affine.bias'), block.torgb.weight_gain)
        block.torgb.weight.copy_(take(f'rgbs.{k}.weight'))
        block.torgb.bias.copy_(take(f'rgbs.{k}.bias'))


def _fill_layer(layer: nn.Module, values: dict[str, torch.Tensor], name: str) -> None:
    weight = values[f'{name}.weight.value']
    _undense(layer.affine, values[f'{name}.affine.weight.value'], values[f'{name}.affine.bias.value'])
    layer.weight.copy_(weight.transpose(0, 1) if layer.up else weight)
    layer.bias.copy_(values[f'{name}.bias.value'].flatten() / SQRT2)
    noise = values.get(f'{name}.noise.value')
    layer.noise_strength.fill_(0 if noise is None else 1)
    if noise is not None:
        layer.noise_const.copy_(noise[0] / SQRT2)
