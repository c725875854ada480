"""Third stage: the transformer and the text encoder together, by flow matching on chunks with clean (then own) context."""

import numpy as np
import torch
import torch.nn.functional as F

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


@torch.no_grad()
def generate_openings(out, chunks=2):
    """Writes what the model makes of every training scene's first chunks, for the decoder to learn from: own.pt."""
    if (out / "own.pt").exists():
        return
    torch.manual_seed(6)
    tokens, data = tokenizer(out / "tokenizer"), latents.load(out / "openings")
    model = Model(tokens.inner.get_vocab_size())
    model.load_state_dict(torch.load(out / "flow.pt")["average"])
    mean, std = (v.view(1, 1, -1, 1, 1) for v in torch.load(out / "statistics.pt"))
    made = []
    for scenes in data["scene"].split(32):
        hidden = model.text(tokens([world.prompt(world.ALL_SCENES[s]) for s in scenes]))[:, None].expand(-1, chunks, -1, -1)
        noise = torch.randn(len(scenes), chunks, latents.FRAMES, *data["z"].shape[2:])
        made.append(own_steps(model, noise, hidden, range(chunks), noise, 0)[0].flatten(1, 2) * std + mean)
    save(out / "own.pt", z=torch.cat(made).half(), scene=data["scene"])


def train(out, total, size=8, lr=0.005, seed=2, own_from=0.65, own_share=0.35):
    """Teacher forcing with roughened context, a step per `next`; from `own_from` of the run on also with what the model itself generates."""
    torch.manual_seed(seed)
    tokens = tokenizer(out / "tokenizer")
    model = Model(tokens.inner.get_vocab_size())
    average, opt = Average(model, 0.998), optimizer(model, lr)
    path, start = out / "flow.pt", 0
    if path.exists():
        state = torch.load(path)
        model.load_state_dict(state["model"])
        opt.load_state_dict(state["opt"])
        average.weights, average.steps, start = state["average"], state["step"], state["step"]
    log, sets = Log("flow"), None
    for step in range(start, total):
        if sets is None or step % 200 == 0:
            sets = [latents.load(out / name) for name in ("anywhere", "openings")]
            if not (out / "statistics.pt").exists():
                statistics(out / "statistics.pt", sets[0]["z"])
            mean, std = (v.view(1, 1, -1, 1, 1) for v in torch.load(out / "statistics.pt"))
        rng = np.random.default_rng((seed, step))
        kind = rng.random()
        first = kind < 0.35  # only first chunks, where nothing but the prompt says what to draw
        opening = first or kind < 0.6
        data = sets[opening]
        # A row without its start stands for any window.
        chunks = range(0, 1) if first else range(0, latents.CHUNKS) if opening else range(1, latents.CHUNKS)
        skip = 0 if opening else 1
        rows = rng.integers(len(data["z"]), size=5 * size if first else size)
        z = (data["z"][rows].float() - mean) / std
        z = z.unflatten(1, (latents.CHUNKS, latents.FRAMES))[:, chunks.start:chunks.stop]
        ids, which = prompts(tokens, data, rows, chunks, rng)
        levels = torch.tensor(rng.choice(len(SIGMAS), (len(rows), len(chunks) - skip), p=(0.4, 0.25, 0.2, 0.15)))
        sigma = torch.tensor(SIGMAS)[levels]
        target = z[:, skip:]
        noise = torch.randn_like(target)
        hidden = hidden_per_chunk(model, ids, which)
        s = sigma[..., None, None, None, None]
        own = step >= own_from * total and rng.random() < own_share
        if own:
            context, inputs = own_steps(model, z, hidden, chunks, noise, skip)
            noisy = torch.take_along_dim(inputs, levels[:, :, None, None, None, None, None], 2)[:, :, 0]
        else:
            noisy = (1 - s) * target + s * noise
            rough = rng.uniform(0, 0.2, size=(len(rows), 1, 1, 1, 1, 1)) * (rng.random((len(rows), 1, 1, 1, 1, 1)) < 0.7)
            context = z + torch.from_numpy(rough).float() * torch.randn_like(z)
        start_frame = chunks.start * latents.FRAMES
        flow = model.transformer.teacher_forced(
            context, noisy[:, None], 1000 * sigma[:, None], hidden,
            range(start_frame, start_frame + latents.FRAMES * len(chunks)), window=WINDOW, skip=skip)[:, 0]
        squares = (flow - (noisy - target) / s).square()
        background = target.flatten(-2).median(-1).values[..., None, None]
        shape = ((target - background).square().mean(3, keepdim=True) > 0.2).float()
        each = (squares * (1 + 3 * shape)).mean((2, 3, 4, 5))  # where the shape is, errors count more
        # Late in a rollout of its own the model cannot come back to the truth; low levels must not dwell on that.
        loss = (each * (1.5 * sigma**2 if own else sigma)).mean()
        loss.backward()
        norm = opt.step(schedule(step, total))
        average.update(model)
        error = (squares.mean((2, 3, 4, 5)) * sigma**2).detach()
        later = slice(1 - skip, None)
        figures = {f"x0@{v}": error[:, later][sigma[:, later] == v] for v in SIGMAS}
        if opening:
            figures |= {f"first@{v}": error[:, 0][sigma[:, 0] == v] for v in (1.0, 0.5)}
        log.add(step, loss=loss, norm=norm, **{("own " if own else "") + k: v.mean() for k, v in figures.items() if len(v)})
        if (step + 1) % 50 == 0 or step + 1 == total:
            save(path, model=model.state_dict(), opt=opt.state_dict(), average=average.weights, step=step + 1)
        yield step
