"""Answers of diffusers and transformers on a model folder, beside which `./reelfleet model verify FOLDER` puts the engine.

    python -m shapes.public FOLDER                          # its answers replaced by those of the public libraries
    python -m shapes.public FOLDER --seeds 1 2 3            # FOLDER/1 ... of random sizes (shapes.reference) written first
    python -m shapes.public FOLDER --from OTHER --dtype bfloat16
                                                            # OTHER copied first, its weights rounded to that type

Needs diffusers and transformers. Nothing of this package computes here: the transformer is diffusers' `WanTransformer3DModel`,
which knows no cache. A chunk's flow is what it answers for the row [clean chunks at t = 0 | the noisy chunk] under a mask
that lets each chunk see the frames a cache would hold for it and itself; keys and values are those its attention gets to see. Weights are
taken from the files in float32, so a folder with rounded ones is answered with the rounded ones. Inputs (noise, prompts, clips)
stay as they are.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file


def weights(folder):
    out = {}
    for file in sorted(folder.glob("*.safetensors")):
        out.update(load_file(file))
    return {name: tensor.float() for name, tensor in out.items()}


def config(folder, drop=()):
    return {k: v for k, v in json.loads((folder / "config.json").read_text()).items() if not k.startswith("_") and k not in drop}


def visible(chunk, case):
    """Latent frames that a chunk sees: sink, newest that fit, itself."""
    f, window, sink = case["frames_per_chunk"], case["window_frames"], case["sink_frames"]
    past, own = list(range(chunk * f)), list(range(chunk * f, chunk * f + f))
    if window > 0 and len(past) > window - f:
        past = past[:sink] + past[len(past) - (window - f - sink):]
    return past + own


class Flow:
    """diffusers' transformer over rows of chunks."""

    def __init__(self, folder, case):
        from diffusers import WanTransformer3DModel
        from diffusers.models.transformers import transformer_wan

        self.case = case
        self.model = WanTransformer3DModel(**config(folder)).eval()
        self.model.load_state_dict(weights(folder))
        self.model.condition_embedder.timesteps_proj.forward = self.waves
        self.mask, self.seen = None, []
        attend = transformer_wan.dispatch_attention_fn

        def watched(query, key, value, attn_mask=None, **rest):
            self.seen.append((key, value))
            own = self.mask if key.shape[1] == query.shape[1] == self.mask.shape[-1] and not self.crossing else attn_mask
            return attend(query, key, value, attn_mask=own, **rest)

        transformer_wan.dispatch_attention_fn = watched
        self.crossing = False
        for block in self.model.blocks:
            block.attn1.register_forward_pre_hook(lambda *_: setattr(self, "crossing", False))
            block.attn2.register_forward_pre_hook(lambda *_: setattr(self, "crossing", True))

    def waves(self, timesteps):
        """In float64, as Wan's and Self-Forcing's own code has it; diffusers' float32 is 5e-5 off in the flows."""
        half = self.model.config.freq_dim // 2
        angle = torch.outer(timesteps.double(), 10000 ** (-torch.arange(half, dtype=torch.float64) / half))
        return torch.cat([angle.cos(), angle.sin()], -1).float()

    def __call__(self, clean, noisy, timestep, hidden):
        """clean: a list of chunks [1, frames, channels, height, width]; the flow of `noisy`, which may be None."""
        row = torch.cat(clean + ([noisy] if noisy is not None else []), 1)
        f, frames = self.case["frames_per_chunk"], row.shape[1]
        tokens = row.shape[3] * row.shape[4] // 4
        mask = torch.zeros(frames, frames, dtype=torch.bool)
        for chunk in range(frames // f):
            mask[chunk * f:chunk * f + f, visible(chunk, self.case)] = True
        self.mask = mask.repeat_interleave(tokens, 0).repeat_interleave(tokens, 1)[None, None]
        times = torch.zeros(1, frames * tokens)
        if noisy is not None:
            times[:, len(clean) * f * tokens:] = timestep
        self.seen.clear()
        flow = self.model(row.transpose(1, 2), times, hidden, return_dict=False)[0].transpose(1, 2)
        return flow[:, len(clean) * f:]

    def cache(self, layer):
        """Keys (turned) and values that a cache would hold after the last row's last chunk."""
        tokens = self.seen[0][0].shape[1]
        frames = self.case["chunks"] * self.case["frames_per_chunk"]
        kept = torch.tensor(visible(self.case["chunks"] - 1, self.case))
        pick = lambda x: x.unflatten(1, (frames, tokens // frames))[:, kept].flatten(1, 2)
        return [pick(x) for x in self.seen[2 * layer]]


def session(flow, case, sigmas, given, name, out):
    f, chunks = case["frames_per_chunk"], case["chunks"]
    embeds = given[f"{name}.prompt_embeds"]
    hidden = F.pad(embeds, (0, 0, 0, case["text_len"] - len(embeds)))[None]
    clean = []
    for c in range(chunks):
        x = given[f"{name}.noise"][:, c * f:(c + 1) * f]
        for i, sigma in enumerate(sigmas):
            answer = flow(clean, x, 1000 * sigma, hidden)
            if f"{name}.flow.chunk{c}.step{i}" in given:
                out[f"{name}.flow.chunk{c}.step{i}"] = answer
            x0 = x - sigma * answer
            if i + 1 < len(sigmas):
                x = (1 - sigmas[i + 1]) * x0 + sigmas[i + 1] * given[f"{name}.renoise"][:, c, i]
        clean.append(x0)
    flow(clean, None, 0, hidden)
    layers = len(flow.model.blocks)
    out[f"{name}.latents"] = torch.cat(clean, 1)
    out[f"{name}.v.layer0"] = flow.cache(0)[1]
    out[f"{name}.k_rotated.last"], out[f"{name}.v.last"] = flow.cache(layers - 1)
    out[f"{name}.cross_k.last"] = flow.seen[2 * layers - 1][0]


def video(folder, given, out):
    from diffusers import AutoencoderKLWan

    vae = AutoencoderKLWan(**config(folder)).eval()
    vae.load_state_dict(weights(folder))
    vae = vae.double()  # with few channels its norms magnify float32's rounding to near the tolerance
    mean, std = (torch.tensor(vae.config[k], dtype=torch.float64).view(1, -1, 1, 1, 1) for k in ("latents_mean", "latents_std"))
    latents = given["vae.decode.input"].double() * std + mean
    out["vae.decode.output"] = vae.decode(latents, return_dict=False)[0].clamp(-1, 1).float()
    mode = vae.encode(given["vae.encode.input"].double(), return_dict=False)[0].mode()
    out["vae.encode.output"] = ((mode - mean) / std).float()


def text(folder, given, out):
    from transformers import UMT5Config, UMT5EncoderModel

    model = UMT5EncoderModel(UMT5Config(**config(folder))).eval()
    loaded = weights(folder)
    loaded["encoder.embed_tokens.weight"] = loaded["shared.weight"]
    model.load_state_dict(loaded)
    for i in range(1000):
        ids = given.get(f"text{i}.ids")
        if ids is None:
            break
        mask = (ids != 0).long()
        out[f"text{i}.hidden"] = model(ids, attention_mask=mask).last_hidden_state * mask[..., None]


@torch.no_grad()
def answer(folder):
    """Replaces the answers of a folder; returns the largest change of each."""
    case = json.loads((folder / "case.json").read_text())
    given, out = load_file(folder / "expected.safetensors"), {}
    sigmas = given["sigmas"].tolist()
    flow = Flow(folder / "transformer", case)
    for name in (n.removesuffix(".noise") for n in given if n.endswith(".noise")):
        session(flow, case, sigmas, given, name, out)
    video(folder / "vae", given, out)
    text(folder / "text_encoder", given, out)
    changes = {name: (tensor - given[name]).abs().max().item() for name, tensor in out.items()}
    inputs = {n for n in given if n.endswith(("noise", "prompt_embeds", "input", "ids", "sigmas", "timesteps"))}
    assert inputs | out.keys() == given.keys(), given.keys() ^ (inputs | out.keys())
    save_file({n: out.get(n, t).contiguous() for n, t in given.items()}, folder / "expected.safetensors")
    return changes


def rounded(source, folder, dtype):
    """A copy of a model folder with its weights in another type."""
    shutil.copytree(source, folder, dirs_exist_ok=True)
    for file in folder.glob("*/*.safetensors"):
        save_file({n: t.to(dtype).contiguous() for n, t in load_file(file).items()}, file, {"format": "pt"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], default="float32")
    parser.add_argument("--seeds", type=int, nargs="+", default=[])
    args = parser.parse_args()
    torch.set_num_threads(1)
    for seed in args.seeds:
        from .reference import write

        (args.folder / str(seed)).mkdir(parents=True, exist_ok=True)
        write(args.folder / str(seed), seed)
    if args.source:
        rounded(args.source, args.folder, getattr(torch, args.dtype))
    for folder in [args.folder / str(seed) for seed in args.seeds] or [args.folder]:
        changes = answer(folder)
        worst = max(changes, key=changes.get)
        print(f"{folder}: {len(changes)} answers, at most {changes[worst]:.3g} ({worst}) from those that were there")
