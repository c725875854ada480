"""Wan2.1's causal video autoencoder (class AutoencoderKLWan), parameter names as published.

The published code walks through a clip in pieces with a cache per convolution. A whole clip at once gives the same
numbers when the first frame, which alone stands for one video frame, is kept apart where time is resampled; that is how
training runs. `Decoder.stream` is the piecewise form.
"""

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F


def to_tensor(frames):
    """uint8 [..., T, H, W, 3] to float [..., 3, T, H, W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, -1, -4))).float() / 127.5 - 1


def conv3d(x, weight, bias, stride, spatial):
    """A 3-D convolution. What PyTorch picks for small ones on a CPU is up to ten times slower than the ways used here."""
    if x.device.type == "cpu" and not torch.is_grad_enabled() and x.dtype == torch.float32:
        return torch.mkldnn_convolution(x, weight, bias, (0, *spatial), stride, (1, 1, 1), 1)  # oneDNN, named outright
    if x.device.type == "cpu" and x.shape[0] <= 2 and spatial[0] and stride == (1, 1, 1):  # time steps as 2-D channels
        o, c, kt, kh, kw = weight.shape
        b, _, t, h, w = x.shape
        n = t - kt + 1
        x = x.transpose(1, 2)
        x = torch.cat([x[:, i:i + n] for i in range(kt)], 2).reshape(b * n, kt * c, h, w)
        y = F.conv2d(x, weight.transpose(1, 2).reshape(o, kt * c, kh, kw), bias, padding=spatial)
        return y.reshape(b, n, *y.shape[1:]).transpose(1, 2)
    return F.conv3d(x, weight, bias, stride, (0, *spatial))


class CausalConv3d(nn.Conv3d):
    """A convolution that sees no later frame. With a `state` dict it continues where the last call ended."""

    def __init__(self, cin, cout, kernel, stride=1, padding=0):
        super().__init__(cin, cout, kernel, stride=stride)
        k = self.kernel_size
        self.past = k[0] - 1 if padding else 0
        self.spatial = (k[1] // 2, k[2] // 2) if padding else (0, 0)

    def forward(self, x, state=None):
        if self.past:
            if state is None:
                x = F.pad(x, (0, 0, 0, 0, self.past, 0))
            else:
                before = state.get(self)
                if before is None:
                    before = x.new_zeros(x.shape[0], x.shape[1], self.past, *x.shape[3:])
                x = torch.cat([before, x], 2)
                state[self] = x[:, :, -self.past:]
        return conv3d(x, self.weight, self.bias, self.stride, self.spatial)


class RMSNorm(nn.Module):
    def __init__(self, dim, images=False):
        super().__init__()
        self.scale = dim**0.5
        self.gamma = nn.Parameter(torch.ones(dim, 1, 1) if images else torch.ones(dim, 1, 1, 1))

    def forward(self, x):
        # F.normalize says the same, and its norm over channels takes a fifth of a training step on a CPU.
        return x * x.square().sum(1, keepdim=True).clamp(min=1e-24).rsqrt() * (self.scale * self.gamma)


class ResBlock(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.norm1 = RMSNorm(cin)
        self.conv1 = CausalConv3d(cin, cout, 3, padding=1)
        self.norm2 = RMSNorm(cout)
        self.conv2 = CausalConv3d(cout, cout, 3, padding=1)
        self.conv_shortcut = CausalConv3d(cin, cout, 1) if cin != cout else None

    def forward(self, x, state=None):
        h = x if self.conv_shortcut is None else self.conv_shortcut(x)
        x = self.conv1(F.silu(self.norm1(x)), state)
        return h + self.conv2(F.silu(self.norm2(x)), state)


class Attention(nn.Module):
    """One head over the places of each frame."""

    def __init__(self, dim):
        super().__init__()
        self.norm = RMSNorm(dim, images=True)
        self.to_qkv = nn.Conv2d(dim, dim * 3, 1)
        self.proj = nn.Conv2d(dim, dim, 1)

    def forward(self, x, state=None):
        b, c, t, h, w = x.shape
        y = x.transpose(1, 2).reshape(b * t, c, h, w)
        q, k, v = self.to_qkv(self.norm(y)).reshape(b * t, 1, 3 * c, h * w).transpose(2, 3).chunk(3, -1)
        y = F.scaled_dot_product_attention(q, k, v).squeeze(1).transpose(1, 2).reshape(b * t, c, h, w)
        return x + self.proj(y).reshape(b, t, c, h, w).transpose(1, 2)


class MidBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.resnets = nn.ModuleList([ResBlock(dim, dim), ResBlock(dim, dim)])
        self.attentions = nn.ModuleList([Attention(dim)])

    def forward(self, x, state=None):
        return self.resnets[1](self.attentions[0](self.resnets[0](x, state)), state)


def _per_frame(layer, x):
    b, c, t, h, w = x.shape
    y = layer(x.transpose(1, 2).reshape(b * t, c, h, w))
    return y.reshape(b, t, *y.shape[1:]).transpose(1, 2)


class Downsample(nn.Module):
    def __init__(self, dim, temporal):
        super().__init__()
        self.resample = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(dim, dim, 3, stride=2))
        self.time_conv = CausalConv3d(dim, dim, (3, 1, 1), stride=(2, 1, 1)) if temporal else None

    def forward(self, x, state=None):
        x = _per_frame(self.resample, x)
        if self.time_conv is None or x.shape[2] == 1:
            return x
        return torch.cat([x[:, :, :1], self.time_conv(x)], 2)


class Upsample(nn.Module):
    def __init__(self, dim, temporal):
        super().__init__()
        self.resample = nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest-exact"), nn.Conv2d(dim, dim // 2, 3, padding=1))
        self.time_conv = CausalConv3d(dim, dim * 2, (3, 1, 1), padding=1) if temporal else None

    def _double(self, x, state=None):
        b, c, t, h, w = x.shape
        y = self.time_conv(x, state).reshape(b, 2, c, t, h, w)
        return y.permute(0, 2, 3, 1, 4, 5).reshape(b, c, 2 * t, h, w)

    def forward(self, x, state=None):
        if self.time_conv is not None:
            if state is None or self not in state:  # the first frame is not doubled, and time_conv never sees it
                first, rest = x[:, :, :1], x[:, :, 1:]
                if state is not None:
                    state[self] = True
                x = torch.cat([first, self._double(rest, state)], 2) if rest.shape[2] else first
            else:
                x = self._double(x, state)
        return _per_frame(self.resample, x)


class Encoder(nn.Module):
    def __init__(self, base, mult, blocks, temporal, z):
        super().__init__()
        dims = [base * m for m in [1] + mult]
        self.conv_in = CausalConv3d(3, dims[0], 3, padding=1)
        self.down_blocks = nn.ModuleList()
        for i, (cin, cout) in enumerate(zip(dims, dims[1:])):
            for j in range(blocks):
                self.down_blocks.append(ResBlock(cin if j == 0 else cout, cout))
            if i < len(mult) - 1:
                self.down_blocks.append(Downsample(cout, temporal[i]))
        self.mid_block = MidBlock(dims[-1])
        self.norm_out = RMSNorm(dims[-1])
        self.conv_out = CausalConv3d(dims[-1], z * 2, 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(self.mid_block(x))))


class UpBlock(nn.Module):
    def __init__(self, cin, cout, blocks, up):
        super().__init__()
        self.resnets = nn.ModuleList([ResBlock(cin if j == 0 else cout, cout) for j in range(blocks + 1)])
        self.upsamplers = nn.ModuleList([Upsample(cout, up == "3d")]) if up else None

    def forward(self, x, state=None):
        for block in self.resnets:
            x = block(x, state)
        return x if self.upsamplers is None else self.upsamplers[0](x, state)


class Decoder(nn.Module):
    def __init__(self, base, mult, blocks, temporal, z):
        super().__init__()
        dims = [base * m for m in [mult[-1]] + mult[::-1]]
        self.conv_in = CausalConv3d(z, dims[0], 3, padding=1)
        self.mid_block = MidBlock(dims[0])
        self.up_blocks = nn.ModuleList()
        for i, (cin, cout) in enumerate(zip(dims, dims[1:])):
            up = None if i == len(mult) - 1 else ("3d" if temporal[::-1][i] else "2d")
            self.up_blocks.append(UpBlock(cin // 2 if i else cin, cout, blocks, up))
        self.norm_out = RMSNorm(dims[-1])
        self.conv_out = CausalConv3d(dims[-1], 3, 3, padding=1)

    def forward(self, x, state=None):
        x = self.mid_block(self.conv_in(x, state), state)
        for block in self.up_blocks:
            x = block(x, state)
        return self.conv_out(F.silu(self.norm_out(x)), state)


class VAE(nn.Module):
    """Videos [batch, 3, 1 + 4n, 8h, 8w] in [-1, 1]; latents [batch, z, 1 + n, h, w]."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        args = (config["base_dim"], list(config["dim_mult"]), config["num_res_blocks"], list(config["temperal_downsample"]),
                config["z_dim"])
        z = config["z_dim"]
        self.encoder, self.decoder = Encoder(*args), Decoder(*args)
        self.quant_conv, self.post_quant_conv = CausalConv3d(2 * z, 2 * z, 1), CausalConv3d(z, z, 1)

    def _statistics(self, like):
        shape = lambda v: torch.tensor(v, dtype=like.dtype, device=like.device).view(1, -1, 1, 1, 1)
        return shape(self.config["latents_mean"]), shape(self.config["latents_std"])

    def posterior(self, video):
        """Mean and log variance, not normalised."""
        mean, logvar = self.quant_conv(self.encoder(video)).chunk(2, 1)
        return mean, logvar.clamp(-30, 20)

    def encode(self, video):
        """Normalised mode of the posterior."""
        mean, std = self._statistics(video)
        return (self.posterior(video)[0] - mean) / std

    def decode_raw(self, z, state=None):
        return self.decoder(self.post_quant_conv(z), state)

    def decode(self, latents, state=None):
        """Video in [-1, 1] of normalised latents; with a `state` dict the continuation of the last call."""
        mean, std = self._statistics(latents)
        return self.decode_raw(latents * std + mean, state).clamp(-1, 1)
