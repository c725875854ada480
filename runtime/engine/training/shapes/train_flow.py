"""The transformer and the text encoder together, by flow matching on chunks with clean (then own) context."""

from dataclasses import replace

import numpy as np
import torch

from . import latents, world
from .optim import Average, Log, Optimizer, save, schedule
from .text import TextEncoder, Tokenizer, train_tokenizer
from .transformer import Cache, Transformer

TEXT_LEN = 48
SIGMAS = (1.0, 0.8, 0.5, 0.2)
WINDOW = 4  # chunks in sight, the chunk itself included
CONFIG = {
    "_class_name": "WanTransformer3DModel", "_diffusers_version": "0.35.0", "added_kv_proj_dim": None, "attention_head_dim": 32,
    "cross_attn_norm": True, "eps": 1e-06, "ffn_dim": 512, "freq_dim": 64, "image_dim": None, "in_channels": 16,
    "num_attention_heads": 4, "num_layers": 6, "out_channels": 16, "patch_size": [1, 2, 2], "pos_embed_seq_len": None,
    "qk_norm": "rms_norm_across_heads", "rope_max_seq_len": 1024, "text_dim": 64,
}
TEXT_CONFIG = {
    "architectures": ["UMT5EncoderModel"], "classifier_dropout": 0.0, "d_ff": 128, "d_kv": 16, "d_model": 64, "decoder_start_token_id": 0,
    "dense_act_fn": "gelu_new", "dropout_rate": 0.0, "eos_token_id": 1, "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
    "is_decoder": False, "is_encoder_decoder": False, "is_gated_act": True, "layer_norm_epsilon": 1e-06, "model_type": "umt5",
    "num_decoder_layers": 2, "num_heads": 4, "num_layers": 2, "pad_token_id": 0, "relative_attention_max_distance": 128,
    "relative_attention_num_buckets": 32, "tie_word_embeddings": True, "use_cache": True, "vocab_size": 0,
}


class Model(torch.nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.transformer = Transformer(CONFIG)
        self.text = TextEncoder({**TEXT_CONFIG, "vocab_size": vocabulary})
        for block in self.transformer.blocks:  # start as the identity, with gates that open
            for layer in (block.attn1.to_out[0], block.attn2.to_out[0], block.ffn.net[2]):
                torch.nn.init.zeros_(layer.bias)
                layer.weight.data *= 0.5
        torch.nn.init.zeros_(self.transformer.proj_out.bias)
        self.transformer.proj_out.weight.data *= 0.1


def tokenizer(folder):
    if not (folder / "tokenizer.json").exists():
        rng = np.random.default_rng(0)
        train_tokenizer([world.prompt(world.ALL_SCENES[rng.integers(len(world.ALL_SCENES))], rng) for _ in range(20000)], folder)
    return Tokenizer(folder, TEXT_LEN)


def prompts(tokens, data, rows, chunks, rng):
    """Token ids [2 * rows, length] of two wordings per row, and which of them is in force in each of the row's chunks."""
    first, second, which = [], [], np.zeros((len(rows), len(chunks)), np.int64)
    for i, r in enumerate(rows):
        a, b = world.ALL_SCENES[data["scene"][r]], world.ALL_SCENES[data["then"][r]]
        switch = int(data["switch"][r])
        if switch == 0 and rng.random() < 0.3:  # the same scene in other words
            switch = int(rng.integers(1, latents.CHUNKS))
        first.append(world.prompt(a, rng))
        second.append(world.prompt(b, rng))
        if switch:
            which[i] = [c >= switch for c in chunks]
    return tokens(first + second), torch.from_numpy(which)


def hidden_per_chunk(model, ids, which):
    b, n = which.shape
    hidden = model.text(ids).unflatten(0, (2, b))
    index = which[:, :, None, None].expand(-1, -1, *hidden.shape[2:])
    return torch.where(index.bool(), hidden[1][:, None], hidden[0][:, None])


def optimizer(model, lr):
    body = [p for n, p in model.named_parameters() if p.ndim == 2 and "blocks" in n and "scale_shift" not in n]
    ids = {id(p) for p in body}
    return Optimizer(body, [p for p in model.parameters() if id(p) not in ids], muon_lr=lr, adam_lr=0.4 * lr, betas=(0.9, 0.98))


def statistics(path, z):
    """Mean and deviation per channel. What hardly varies is not blown up."""
    mean, std = z.float().mean((0, 1, 3, 4)), z.float().std((0, 1, 3, 4))
    torch.save((mean, std.clamp(min=0.3)), path)


@torch.no_grad()
def own_steps(model, z, hidden, chunks, noise, skip):
    """What the model makes of a row by itself: its chunks [batch, chunks, ...], and its input at every denoising step.

    Chunks before `skip` are taken as they are. `noise` [batch, chunks - skip, ...] is what each chunk starts from.
    """
    cache = Cache(len(model.transformer.blocks), WINDOW * latents.FRAMES)
    made, inputs = [], []
    for i, chunk in enumerate(chunks):
        text = hidden[:, i]
        if i < skip:
            x0 = z[:, i]
        else:
            x, steps = noise[:, i - skip], []
            for j, sigma in enumerate(SIGMAS):
                steps.append(x)
                x0 = x - sigma * model.transformer(x, 1000 * sigma, cache, hidden=text, frame=chunk * latents.FRAMES)
                text = None
                if j + 1 < len(SIGMAS):
                    x = (1 - SIGMAS[j + 1]) * x0 + SIGMAS[j + 1] * torch.randn_like(x0)
            inputs.append(torch.stack(steps, 1))
        made.append(x0)
        model.transformer(x0, 0, cache, write=True, hidden=text, frame=chunk * latents.FRAMES)
    return torch.stack(made, 1), torch.stack(inputs, 1)


class Rows:
    """Draws rows of consecutive chunks from the latents."""

    def __init__(self, out, tokens, size):
        self.tokens, self.size = tokens, size
        self.sets = {name: latents.load(out / name) for name in ("openings", "anywhere")}
        if not (out / "statistics.pt").exists():
            statistics(out / "statistics.pt", self.sets["anywhere"]["z"])
        self.mean, self.std = (v.view(1, 1, -1, 1, 1) for v in torch.load(out / "statistics.pt"))
        self.row_of = {s: i for i, s in enumerate(self.sets["openings"]["scene"].tolist())}

    def _chunks(self, data, rows, chunks):
        z = (data["z"][rows][:, latents.FRAMES * chunks.start:latents.FRAMES * chunks.stop].float() - self.mean) / self.std
        return z.unflatten(1, (len(chunks), latents.FRAMES))

    def _others(self, row):
        """The rows of the same scene with each other shape; the row itself stands for one that is held out."""
        scene = world.ALL_SCENES[self.sets["openings"]["scene"][row]]
        others = [world.ALL_SCENES.index(replace(scene, shape=s)) for s in world.OFFERED if s != scene.shape]
        return [self.row_of.get(o, row) for o in others]

    def draw(self, rng):
        """A dict: z [rows, chunks, 3, ...], its `chunks` (a range), how many to `skip` since their past is missing, the prompts,
        and `apart` [rows, 2 or 1, chunks - skip, 3, ...]: from z to what other shapes would be (zero where none is known)."""
        kind = rng.random()
        first = kind < 0.2  # only first chunks, where nothing but the prompt says what to draw
        opening = kind < 0.55
        data = self.sets["openings" if opening else "anywhere"]
        start = 0
        if opening and not first and rng.random() < 0.5:
            start = int(rng.integers(1, latents.OPENING_CHUNKS - latents.CHUNKS + 1))
        # A row without its start stands for any window.
        chunks = range(0, 1) if first else range(start, start + latents.CHUNKS) if opening else range(1, latents.CHUNKS)
        skip = 0 if opening and start == 0 else 1
        rows = rng.integers(len(data["z"]), size=5 * self.size if first else self.size)
        z = self._chunks(data, rows, chunks)
        ids, which = prompts(self.tokens, data, rows, [c - start for c in chunks], rng)
        if opening:
            others = [self._chunks(data, list(o), chunks) for o in zip(*(self._others(r) for r in rows))]
        else:
            others = [self._chunks({"z": data["other"]}, rows, chunks)]
        apart = (torch.stack(others, 1) - z[:, None])[:, :, skip:]
        return {"z": z, "chunks": chunks, "skip": skip, "ids": ids, "which": which, "apart": apart}


def train(out, total, size=8, lr=0.004, seed=2, own_from=0.6, own_share=0.35, reuse=3, tell=2.0):
    """Teacher forcing with roughened context; from `own_from` of the run on also with what the model itself generates.

    Shapes differ little in the latents (circle and square by 3 % of the variance), so an error towards another shape
    counts by itself, `tell` times. Each rollout of its own serves `reuse` steps.
    """
    torch.manual_seed(seed)
    tokens = tokenizer(out / "tokenizer")
    model = Model(tokens.inner.get_vocab_size())
    average, opt = Average(model, 0.99), optimizer(model, lr)
    path, start = out / "flow.pt", 0
    if path.exists():
        state = torch.load(path)
        model.load_state_dict(state["model"])
        opt.load_state_dict(state["opt"])
        average.weights, average.steps, start = state["average"], state["step"], state["step"]
    log, source, rollouts = Log("flow"), Rows(out, tokens, size), []
    for step in range(start, total):
        rng = np.random.default_rng((seed, step))
        own = step >= own_from * total and rng.random() < own_share
        if own and rollouts:
            row = rollouts.pop()
        else:
            row = source.draw(rng)
            if own:
                with torch.no_grad():
                    hidden = hidden_per_chunk(model, row["ids"], row["which"])
                made = own_steps(model, row["z"], hidden, row["chunks"], torch.randn_like(row["z"][:, row["skip"]:]), row["skip"])
                row["context"], row["inputs"] = made
                rollouts = [row] * (reuse - 1)
        z, chunks, skip, apart = (row[k] for k in ("z", "chunks", "skip", "apart"))
        target = z[:, skip:]
        levels = torch.tensor(rng.choice(len(SIGMAS), target.shape[:2], p=(0.35, 0.2, 0.2, 0.25)))
        sigma = torch.tensor(SIGMAS)[levels]
        s = sigma[..., None, None, None, None]
        if own:
            context = row["context"]
            noisy = torch.take_along_dim(row["inputs"], levels[:, :, None, None, None, None, None], 2)[:, :, 0]
        else:
            noisy = (1 - s) * target + s * torch.randn_like(target)
            rough = rng.uniform(0, 0.2, size=(len(z), 1, 1, 1, 1, 1)) * (rng.random((len(z), 1, 1, 1, 1, 1)) < 0.7)
            context = z + torch.from_numpy(rough).float() * torch.randn_like(z)
        start_frame = chunks.start * latents.FRAMES
        flow = model.transformer.teacher_forced(
            context, noisy[:, None], 1000 * sigma[:, None], hidden_per_chunk(model, row["ids"], row["which"]),
            range(start_frame, start_frame + latents.FRAMES * len(chunks)), window=WINDOW, skip=skip)[:, 0]
        error = noisy - s * flow - target  # of the clean chunk
        background = target.flatten(-2).median(-1).values[..., None, None]
        shape = ((target - background).square().mean(3, keepdim=True) > 0.2).float()
        each = (error.square() * (1 + 3 * shape)).mean((2, 3, 4, 5))  # where the shape is, errors count more
        # Late in a rollout of its own the model cannot come back to the truth; low levels must not dwell on that.
        loss = (each * (1.5 if own else 1 / sigma)).mean()
        size2 = apart.square().sum((3, 4, 5, 6))
        known = (size2 > 1).float()
        towards = (error[:, None] * apart).sum((3, 4, 5, 6)) / size2.clamp(min=1)  # 0: the right shape, 1: the other one
        loss = loss + tell * (towards.square() * known).sum() / known.sum().clamp(min=1)
        loss.backward()
        norm = opt.step(schedule(step, total, warmup=50, tail=0.6, floor=0.01))
        average.update(model)
        squares = error.detach().square().mean((2, 3, 4, 5))
        after = slice(1 if chunks.start == 0 else 0, None)
        figures = {"towards": towards.detach().abs()[known > 0]}
        figures |= {f"x0@{v}": squares[:, after][sigma[:, after] == v] for v in SIGMAS}
        if chunks.start == 0:
            figures |= {f"first@{v}": squares[:, 0][sigma[:, 0] == v] for v in SIGMAS}
        log.add(step, loss=loss, norm=norm, **{("own " if own else "") + k: v.mean() for k, v in figures.items() if len(v)})
        if (step + 1) % 100 == 0 or step + 1 == total:
            save(path, model=model.state_dict(), opt=opt.state_dict(), average=average.weights, step=step + 1)
