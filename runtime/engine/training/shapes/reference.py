"""Writes a model folder of random sizes with random weights, and what this package's PyTorch code answers on it.

    python -m shapes.reference FOLDER --seed N

The folder has the layout of the reference answers of the public implementations (`case.json`, `expected.safetensors`), so
`./reelfleet model verify FOLDER` compares the engine with it. This package's own code is held against the public answers
in `tests/test_fixtures.py`; here it stands in for them at other sizes.
"""

import argparse
import json
import random
from pathlib import Path

import torch
from safetensors.torch import save_file

from .text import TextEncoder
from .transformer import Cache, Transformer
from .vae import VAE

WORDS = "a the red green blue ball square moves left right on grey".split()


def original_names(name):
    """The published name of a transformer weight as the original Wan release calls it."""
    for new, old in (("condition_embedder.text_embedder.linear_1", "text_embedding.0"),
                     ("condition_embedder.text_embedder.linear_2", "text_embedding.2"),
                     ("condition_embedder.time_embedder.linear_1", "time_embedding.0"),
                     ("condition_embedder.time_embedder.linear_2", "time_embedding.2"),
                     ("condition_embedder.time_proj", "time_projection.1"), ("proj_out", "head.head"),
                     (".norm2.", ".norm3."), (".attn1.to_out.0.", ".self_attn.o."), (".attn2.to_out.0.", ".cross_attn.o."),
                     (".attn1.to_", ".self_attn."), (".attn2.to_", ".cross_attn."), (".attn1.", ".self_attn."),
                     (".attn2.", ".cross_attn."), (".ffn.net.0.proj.", ".ffn.0."), (".ffn.net.2.", ".ffn.2.")):
        name = name.replace(new, old)
    if name == "scale_shift_table":
        return "head.modulation"
    return name.replace("scale_shift_table", "modulation")


def sizes(r):
    """Sizes of everything, such as the public configs could have."""
    frames = r.choice([1, 2, 3, 3, 4])
    chunks = r.randint(3, 6)
    sink = r.choice([0, 1, frames, 2 * frames])
    window = r.choice([-1, sink + frames, sink + 2 * frames, sink + 2 * frames + 1])
    if window < 0:
        sink = 0
    flags = r.choice([[False, True, True], [True, False, True], [True, True, False]])
    z = r.choice([4, 16, 16, 24])
    text = r.choice([16, 24, 40])
    return {
        "case": {"frames_per_chunk": frames, "chunks": chunks, "window_frames": window, "sink_frames": sink,
                 "latent_height": 2 * r.randint(1, 4), "latent_width": 2 * r.randint(1, 5), "text_len": r.randint(6, 40),
                 "denoising_steps": sorted(r.sample(range(100, 1000), r.randint(1, 4)), reverse=True),
                 "shift": r.choice([1.0, 3.0, 5.0, 8.0])},
        "transformer": {"_class_name": "WanTransformer3DModel", "attention_head_dim": 2 * r.randint(3, 24), "cross_attn_norm": True,
                        "eps": r.choice([1e-6, 1e-5]), "ffn_dim": r.randint(20, 150), "freq_dim": 2 * r.randint(8, 64),
                        "in_channels": z, "num_attention_heads": r.randint(1, 5), "num_layers": r.randint(1, 4), "out_channels": z,
                        "patch_size": [1, 2, 2], "qk_norm": "rms_norm_across_heads", "text_dim": text},
        "vae": {"_class_name": "AutoencoderKLWan", "base_dim": r.choice([4, 6, 8]), "dim_mult": r.choice([[1, 2, 4, 4], [1, 1, 2, 3]]),
                "num_res_blocks": r.randint(1, 3), "temperal_downsample": flags, "z_dim": z,
                "latents_mean": [round(r.uniform(-1, 1), 4) for _ in range(z)],
                "latents_std": [round(r.uniform(1, 3), 4) for _ in range(z)]},
        "text_encoder": {"model_type": "umt5", "d_ff": r.randint(20, 80), "d_kv": r.choice([5, 8, 16]), "d_model": text,
                         "feed_forward_proj": "gated-gelu", "layer_norm_epsilon": 1e-6, "num_heads": r.randint(1, 4),
                         "num_layers": r.randint(1, 3), "relative_attention_max_distance": r.choice([32, 128]),
                         "relative_attention_num_buckets": r.choice([8, 16, 32]), "vocab_size": 64},
    }


def shuffled(module, generator):
    """Random weights of a size that keeps activations near one."""
    for name, p in module.named_parameters():
        if p.ndim > 1 and "gamma" not in name and "table" not in name:
            p.data.normal_(0, (p[0].numel()) ** -0.5, generator=generator)
        else:
            centre = 1.0 if "norm" in name and not name.endswith("bias") else 0.0
            p.data.normal_(centre, 0.1, generator=generator)
    return module.eval()


def write_shards(folder, weights, shards):
    names = list(weights)
    step = -(-len(names) // shards)
    index = {}
    for i in range(shards):
        part = names[i * step:(i + 1) * step]
        file = f"diffusion_pytorch_model-{i + 1:05d}-of-{shards:05d}.safetensors"
        save_file({n: weights[n].contiguous() for n in part}, folder / file, {"format": "pt"})
        index.update({n: file for n in part})
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def tokenizer():
    special = lambda i, text: {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
                               "normalized": False, "special": True}
    vocabulary = {w: i for i, w in enumerate(["<pad>", "</s>", "<unk>"] + WORDS)}
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [special(i, t) for i, t in enumerate(["<pad>", "</s>", "<unk>"])],
            "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
            "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, end],
                               "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}, end],
                               "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
            "decoder": None, "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"}}


@torch.no_grad()
def session(model, case, sigmas, generator, name, out):
    frames, chunks, f = case["frames_per_chunk"], case["chunks"], model.config["in_channels"]
    shape = (1, frames * chunks, f, case["latent_height"], case["latent_width"])
    noise = torch.randn(shape, generator=generator)
    renoise = torch.randn((1, chunks, max(1, len(sigmas) - 1), frames, *shape[2:]), generator=generator)
    embeds = torch.randn(case["text_len"] - 2, model.config["text_dim"], generator=generator)
    hidden = torch.cat([embeds, torch.zeros(2, embeds.shape[1])])[None]
    cache = Cache(len(model.blocks), case["window_frames"], case["sink_frames"])
    latents = []
    for c in range(chunks):
        x = noise[:, c * frames:(c + 1) * frames]
        for i, sigma in enumerate(sigmas):
            flow = model(x, 1000 * sigma, cache, hidden=hidden if c == i == 0 else None)
            out[f"{name}.flow.chunk{c}.step{i}"] = flow
            x0 = x - sigma * flow
            if i + 1 < len(sigmas):
                x = (1 - sigmas[i + 1]) * x0 + sigmas[i + 1] * renoise[:, c, i]
        model(x0, 0, cache, write=True)
        latents.append(x0)
    out.update({f"{name}.noise": noise, f"{name}.renoise": renoise, f"{name}.prompt_embeds": embeds,
                f"{name}.latents": torch.cat(latents, 1), f"{name}.v.layer0": cache.values[0].transpose(1, 2),
                f"{name}.v.last": cache.values[-1].transpose(1, 2), f"{name}.k_rotated.last": cache.keys[-1].transpose(1, 2),
                f"{name}.cross_k.last": cache.text[-1][0].transpose(1, 2)})


@torch.no_grad()
def write(folder, seed):
    r, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    drawn = sizes(r)
    case, out = drawn["case"], {}
    parts = {"transformer": Transformer(drawn["transformer"]), "vae": VAE(drawn["vae"]),
             "text_encoder": TextEncoder(drawn["text_encoder"])}
    for name, module in parts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(drawn[name], indent=1))
        shuffled(module, generator)
    for extra in ("tokenizer", "scheduler", "original"):
        (folder / extra).mkdir(exist_ok=True)
    (folder / "tokenizer/tokenizer.json").write_text(json.dumps(tokenizer()))
    (folder / "scheduler/scheduler_config.json").write_text(json.dumps(
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": case["shift"]}))
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "WanPipeline"}))
    weights = parts["transformer"].state_dict()
    write_shards(folder / "transformer", weights, r.randint(1, 7))
    t = drawn["transformer"]
    (folder / "original/config.json").write_text(json.dumps(
        {"_class_name": "WanModel", "model_type": "t2v", "text_len": case["text_len"], "in_dim": t["in_channels"],
         "dim": t["num_attention_heads"] * t["attention_head_dim"], "ffn_dim": t["ffn_dim"], "freq_dim": t["freq_dim"],
         "text_dim": t["text_dim"], "out_dim": t["out_channels"], "num_heads": t["num_attention_heads"],
         "num_layers": t["num_layers"], "eps": t["eps"]}))
    save_file({original_names(n): w.contiguous() for n, w in weights.items()},
              folder / "original/diffusion_pytorch_model.safetensors", {"format": "pt"})
    save_file(parts["vae"].state_dict(), folder / "vae/diffusion_pytorch_model.safetensors", {"format": "pt"})
    save_file(parts["text_encoder"].state_dict(), folder / "text_encoder/model.safetensors", {"format": "pt"})

    shift = case["shift"]
    sigmas = [shift * s / (1 + (shift - 1) * s) for s in (d / 1000 for d in case["denoising_steps"])]
    case["timesteps"] = [1000 * s for s in sigmas]
    out["timesteps"], out["sigmas"] = torch.tensor(case["timesteps"]), torch.tensor(sigmas)
    for name in ("one", "two"):
        session(parts["transformer"], case, sigmas, generator, name, out)
    z, h, w = drawn["vae"]["z_dim"], case["latent_height"], case["latent_width"]
    latents = torch.randn(1, z, case["frames_per_chunk"] * 2 + 1, h, w, generator=generator)
    vae = parts["vae"].double()  # with few channels its norms magnify float32's rounding to near the tolerance
    out["vae.decode.input"], out["vae.decode.output"] = latents, vae.decode(latents.double()).float()
    clip = torch.rand(1, 3, 1 + 4 * r.randint(0, 3), 8 * h, 8 * w, generator=generator) * 2 - 1
    out["vae.encode.input"], out["vae.encode.output"] = clip, vae.encode(clip.double()).float()
    texts = []
    for i in range(3):
        words = [r.choice(WORDS) for _ in range(r.randint(1, case["text_len"] - 2))]
        ids = [3 + WORDS.index(word) for word in words] + [1]
        row = torch.tensor([ids + [0] * (case["text_len"] - len(ids))])
        texts.append({"text": " ".join(words), "ids": ids})
        out[f"text{i}.ids"], out[f"text{i}.hidden"] = row, parts["text_encoder"](row)
    (folder / "tokenizer/expected.json").write_text(json.dumps(texts))
    (folder / "case.json").write_text(json.dumps(case, indent=1))
    save_file({n: t.contiguous() for n, t in out.items()}, folder / "expected.safetensors")
    return drawn


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    write(args.folder, args.seed)
    print(args.folder)
