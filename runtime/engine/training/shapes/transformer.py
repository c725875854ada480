"""Wan2.1's transformer made causal over chunks (class WanTransformer3DModel), parameter names as published.

Two ways to run it. `forward` takes one chunk and a `Cache` of the chunks before it, as a server does. `teacher_forced`
takes a whole row of clean chunks and noisy copies of them: every noisy chunk sees the clean chunks before it and itself,
which is what it would find in the cache.
"""

import torch
from torch import nn
import torch.nn.functional as F


class Attention(nn.Module):
    def __init__(self, dim, heads, eps):
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, dim) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])
        self.norm_q, self.norm_k = nn.RMSNorm(dim, eps), nn.RMSNorm(dim, eps)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(-3, -2)  # [..., tokens, dim] -> [..., heads, tokens, head_dim]

    def merge(self, x):
        return self.to_out[0](x.transpose(-3, -2).flatten(-2))

    def query(self, x):
        return self.split(self.norm_q(self.to_q(x)))

    def key_value(self, x):
        return self.split(self.norm_k(self.to_k(x))), self.split(self.to_v(x))


class FeedForward(nn.Module):
    def __init__(self, dim, inner):
        super().__init__()
        first = nn.Module()
        first.proj = nn.Linear(dim, inner)
        self.net = nn.ModuleList([first, nn.Identity(), nn.Linear(inner, dim)])

    def forward(self, x):
        return self.net[2](F.gelu(self.net[0].proj(x), approximate="tanh"))


def rotate(x, angles):
    """Turns pairs of channels: x [..., heads, tokens, head_dim], angles (cos, sin) [tokens, head_dim / 2]."""
    cos, sin = angles
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)


class Block(nn.Module):
    def __init__(self, dim, heads, ffn, eps):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps, elementwise_affine=False)
        self.attn1 = Attention(dim, heads, eps)
        self.norm2 = nn.LayerNorm(dim, eps)
        self.attn2 = Attention(dim, heads, eps)
        self.norm3 = nn.LayerNorm(dim, eps, elementwise_affine=False)
        self.ffn = FeedForward(dim, ffn)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)

    def forward(self, x, modulation, attend, text):
        """x [batch, tokens, dim]; modulation [batch, groups, 6, dim], each for its share of the tokens; attend(q, k, v) is the
        self-attention over the context."""
        shift, scale, gate, shift2, scale2, gate2 = (self.scale_shift_table + modulation)[:, :, None].unbind(3)
        groups = lambda y: y.unflatten(1, (shift.shape[1], -1))
        y = torch.addcmul(shift, groups(self.norm1(x)), 1 + scale).flatten(1, 2)
        y = self.attn1.merge(attend(self.attn1.query(y), *self.attn1.key_value(y)))
        x = torch.addcmul(groups(x), groups(y), gate).flatten(1, 2)
        q = self.attn2.query(self.norm2(x))
        k, v = text if isinstance(text, tuple) else self.attn2.key_value(text)
        if k.shape[0] != q.shape[0]:  # several prompts per row: [batch * prompts, ...], each for its share of the tokens
            n = k.shape[0] // q.shape[0]
            share = q.unflatten(2, (n, -1)).transpose(1, 2).flatten(0, 1)
            y = F.scaled_dot_product_attention(share, k, v).unflatten(0, (-1, n)).transpose(1, 2).flatten(2, 3)
        else:
            y = F.scaled_dot_product_attention(q, k, v)
        x = x + self.attn2.merge(y)
        y = self.ffn(torch.addcmul(shift2, groups(self.norm3(x)), 1 + scale2).flatten(1, 2))
        return torch.addcmul(groups(x), groups(y), gate2).flatten(1, 2)


class Cache:
    """Clean keys and values of one batch of sessions, per layer; keys after rotation by their absolute frame."""

    def __init__(self, layers, window=-1, sink=0):
        self.keys, self.values = [None] * layers, [None] * layers
        self.window, self.sink, self.frames = window, sink, 0
        self.text = None

    def context(self, layer, k, v, tokens):
        """Keys and values a chunk attends to: sink, newest frames that fit, itself. `tokens`: per latent frame."""
        old_k, old_v = self.keys[layer], self.values[layer]
        if old_k is None:
            return k, v
        if self.window > 0:
            old_k, old_v = (self._fit(o, self.window * tokens - k.shape[2], tokens) for o in (old_k, old_v))
        return torch.cat([old_k, k], 2), torch.cat([old_v, v], 2)

    def _fit(self, x, room, tokens):
        if x.shape[2] <= room:
            return x
        sink = self.sink * tokens
        return torch.cat([x[:, :, :sink], x[:, :, x.shape[2] - (room - sink):]], 2)

    def write(self, layer, k, v, tokens):
        k, v = self.context(layer, k, v, tokens)
        self.keys[layer], self.values[layer] = k.contiguous(), v.contiguous()


class Transformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = c = config
        self.heads, self.head_dim = c["num_attention_heads"], c["attention_head_dim"]
        dim, eps = self.heads * self.head_dim, c["eps"]
        self.patch_embedding = nn.Conv3d(c["in_channels"], dim, (1, 2, 2), (1, 2, 2))
        e = self.condition_embedder = nn.Module()
        e.time_embedder, e.text_embedder = nn.Module(), nn.Module()
        e.time_embedder.linear_1, e.time_embedder.linear_2 = nn.Linear(c["freq_dim"], dim), nn.Linear(dim, dim)
        e.text_embedder.linear_1, e.text_embedder.linear_2 = nn.Linear(c["text_dim"], dim), nn.Linear(dim, dim)
        e.time_proj = nn.Linear(dim, 6 * dim)
        self.blocks = nn.ModuleList([Block(dim, self.heads, c["ffn_dim"], eps) for _ in range(c["num_layers"])])
        self.norm_out = nn.LayerNorm(dim, eps, elementwise_affine=False)
        self.proj_out = nn.Linear(dim, c["out_channels"] * 4)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 2, dim) / dim**0.5)
        self._angles = {}

    def angles(self, frames, height, width):
        """cos and sin [frames * height * width, head_dim / 2] for tokens at these latent frames (any integers)."""
        side = 2 * (self.head_dim // 6)
        parts = []
        for size, positions in ((self.head_dim - 2 * side, frames), (side, range(height)), (side, range(width))):
            rates = 1.0 / 10000 ** (torch.arange(0, size, 2, dtype=torch.float64) / size)
            parts.append(torch.outer(torch.tensor(list(positions), dtype=torch.float64), rates))
        f, n = len(parts[0]), height * width
        t = parts[0][:, None, :].expand(f, n, -1)
        y = parts[1][None, :, None, :].expand(f, height, width, -1).reshape(f, n, -1)
        x = parts[2][None, None, :, :].expand(f, height, width, -1).reshape(f, n, -1)
        angle = torch.cat([t, y, x], -1).flatten(0, 1)
        return angle.cos().float(), angle.sin().float()

    def embed_text(self, hidden):
        e = self.condition_embedder.text_embedder
        return e.linear_2(F.gelu(e.linear_1(hidden), approximate="tanh"))

    def embed_time(self, timesteps):
        """timesteps [...] -> embedding [..., dim] and modulation [..., 6, dim]."""
        half = self.config["freq_dim"] // 2
        angle = timesteps.double()[..., None] * 10000 ** (-torch.arange(half, dtype=torch.float64) / half)
        wave = torch.cat([angle.cos(), angle.sin()], -1).float()
        e = self.condition_embedder
        embedding = e.time_embedder.linear_2(F.silu(e.time_embedder.linear_1(wave)))
        return embedding, e.time_proj(F.silu(embedding)).unflatten(-1, (6, -1))

    def patches(self, x):
        """[batch, frames, channels, height, width] -> tokens [batch, frames * h * w, dim]."""
        b, f, c, h, w = x.shape
        y = x.reshape(b, f, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4, 6).reshape(b, -1, c * 4)
        return F.linear(y, self.patch_embedding.weight.flatten(1), self.patch_embedding.bias)

    def unpatch(self, x, embedding, frames, h, w):
        shift, scale = (self.scale_shift_table + embedding[:, :, None])[:, :, None].unbind(3)
        y = self.norm_out(x).unflatten(1, (shift.shape[1], -1))
        y = self.proj_out(torch.addcmul(shift, y, 1 + scale).flatten(1, 2))
        y = y.reshape(y.shape[0], frames, h, w, 2, 2, -1).permute(0, 1, 6, 2, 4, 3, 5)
        return y.reshape(y.shape[0], frames, -1, 2 * h, 2 * w)

    def forward(self, x, timestep, cache, write=False, frame=None, hidden=None):
        """Flow of one chunk.

        x [batch, frames, channels, height, width]; timestep: a number; `hidden` [batch, text_len, text_dim] when the prompt
        is new; `write` keeps the chunk's keys and values (the pass at t = 0); `frame`: the chunk's first latent frame.
        """
        b, f, _, height, width = x.shape
        h, w = height // 2, width // 2
        frame = cache.frames if frame is None else frame
        if hidden is not None:
            text = self.embed_text(hidden)
            cache.text = [block.attn2.key_value(text) for block in self.blocks]
        embedding, modulation = self.embed_time(torch.full((b, 1), float(timestep)))
        angles = self.angles(range(frame, frame + f), h, w)
        y = self.patches(x)
        for layer, block in enumerate(self.blocks):
            def attend(q, k, v):
                q, k = rotate(q, angles), rotate(k, angles)
                keys, values = cache.context(layer, k, v, h * w)
                if write:
                    cache.write(layer, k, v, h * w)
                return F.scaled_dot_product_attention(q, keys, values)
            y = block(y, modulation, attend, cache.text[layer])
        if write:
            cache.frames = frame + f
        return self.unpatch(y, embedding, f, h, w)

    def teacher_forced(self, clean, noisy, timesteps, hidden, positions, window=4, sink=False, skip=0):
        """Flow of noisy chunks given clean ones.

        clean [batch, chunks, frames, channels, height, width]; noisy [batch, copies, chunks - skip, ...] of the last chunks;
        timesteps [batch, copies, chunks - skip]; hidden [batch, chunks, text_len, text_dim]; positions: latent frame of
        each frame of the row; window in chunks; sink: the first chunk stays in sight. Returns the shape of `noisy`.
        """
        b, n, f, c, height, width = clean.shape
        copies, m = noisy.shape[1], n - skip
        h, w = height // 2, width // 2
        t = f * h * w
        times = torch.cat([timesteps.new_zeros(b, n), timesteps.flatten(1)], 1)
        embedding, modulation = self.embed_time(times)
        y = torch.cat([self.patches(clean.flatten(1, 2)), self.patches(noisy.flatten(1, 3))], 1)
        cos, sin = self.angles(positions, h, w)
        tail = lambda a: torch.cat([a] + [a[skip * t:]] * copies, 0)
        angles = tail(cos), tail(sin)
        text = self.embed_text(hidden)
        text = torch.cat([text] + [text[:, skip:]] * copies, 1).flatten(0, 1)

        def attend(q, k, v):
            q, k = rotate(q, angles), rotate(k, angles)
            out = []
            qs, ks, vs = (a.split([n * t] + [m * t] * copies, 2) for a in (q, k, v))
            noisy_out = [[] for _ in range(copies)]
            for i in range(n):
                past = list(range(max(0, i - window + 1), i))
                if sink and i >= window:
                    past = [0] + past[1:]
                pick = lambda a: [a[0][:, :, j * t:(j + 1) * t] for j in past]
                own = slice(i * t, (i + 1) * t)
                old_k, old_v = pick(ks), pick(vs)
                out.append(F.scaled_dot_product_attention(
                    qs[0][:, :, own], torch.cat(old_k + [ks[0][:, :, own]], 2), torch.cat(old_v + [vs[0][:, :, own]], 2)))
                if i >= skip:
                    own = slice((i - skip) * t, (i - skip + 1) * t)
                    for j in range(copies):
                        noisy_out[j].append(F.scaled_dot_product_attention(
                            qs[1 + j][:, :, own], torch.cat(old_k + [ks[1 + j][:, :, own]], 2), torch.cat(old_v + [vs[1 + j][:, :, own]], 2)))
            return torch.cat(out + [o for row in noisy_out for o in row], 2)

        for block in self.blocks:
            y = block(y, modulation, attend, text)
        y, embedding = y[:, n * t:], embedding[:, n:]
        return self.unpatch(y, embedding, copies * m * f, h, w).view_as(noisy)
