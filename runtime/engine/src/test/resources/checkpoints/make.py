"""Writes the small checkpoints beside it, with PyTorch's own torch.save: what CheckpointImportTest reads.

    python make.py

Weights follow a rule that the test repeats: element i of the tensor that is j-th by (original) name is
((31 i + 17 j) mod 101 - 50) / 256, which bfloat16 holds exactly.
"""

import collections
import os
from pathlib import Path

import torch

HERE = Path(__file__).parent
DIM, FFN, TEXT, FREQ, CHANNELS = 6, 8, 8, 32, 16  # one layer, one head: RandomModel of the test


def shapes():
    linear = lambda name, i, o: {f"{name}.weight": (o, i), f"{name}.bias": (o,)}
    s = {"patch_embedding.weight": (DIM, CHANNELS, 1, 2, 2), "patch_embedding.bias": (DIM,)}
    s |= linear("text_embedding.0", TEXT, DIM) | linear("text_embedding.2", DIM, DIM)
    s |= linear("time_embedding.0", FREQ, DIM) | linear("time_embedding.2", DIM, DIM) | linear("time_projection.1", DIM, 6 * DIM)
    for attention in ("self_attn", "cross_attn"):
        for part in "qkvo":
            s |= linear(f"blocks.0.{attention}.{part}", DIM, DIM)
        s |= {f"blocks.0.{attention}.norm_q.weight": (DIM,), f"blocks.0.{attention}.norm_k.weight": (DIM,)}
    s |= {"blocks.0.norm3.weight": (DIM,), "blocks.0.norm3.bias": (DIM,), "blocks.0.modulation": (1, 6, DIM)}
    s |= linear("blocks.0.ffn.0", DIM, FFN) | linear("blocks.0.ffn.2", FFN, DIM)
    return s | linear("head.head", DIM, 4 * CHANNELS) | {"head.modulation": (1, 2, DIM)}


def weights(prefix, dtype):
    out = collections.OrderedDict()
    for j, (name, shape) in enumerate(sorted(shapes().items())):
        i = torch.arange(torch.Size(shape).numel())
        out[prefix + name] = (((31 * i + 17 * j) % 101 - 50) / 256).reshape(shape).to(dtype)
    out._metadata = collections.OrderedDict({"": {"version": 1}})  # as a module's state_dict() carries it
    return out


class Evil:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


def main():
    # Self-Forcing: both generators, the averaged one is the one to use.
    plain = weights("model.", torch.float32)
    torch.save({"generator": {k: torch.zeros_like(v) for k, v in plain.items()}, "generator_ema": weights("model.", torch.bfloat16),
                "step": 600, "lr": 2e-6}, HERE / "self-forcing.pt")
    # LongLive: a base and low-rank deltas as peft names them.
    torch.save({"generator": plain}, HERE / "longlive-base.pt")
    lora = {}
    for name, (o, i) in {"blocks.0.self_attn.q": (DIM, DIM), "blocks.0.ffn.0": (FFN, DIM)}.items():
        lora[f"base_model.model.model.{name}.lora_A.weight"] = torch.arange(2 * i).reshape(2, i) / 16 - 0.5
        lora[f"base_model.model.model.{name}.lora_B.weight"] = torch.arange(2 * o).reshape(o, 2) / 32 - 0.25
    torch.save({"generator_lora": lora}, HERE / "longlive-lora.pt")
    # A state dict alone; one weight is a transposed view, some share a storage, one is a parameter.
    flat = weights("", torch.float16)
    key = "blocks.0.ffn.0.weight"
    flat[key] = flat[key].t().contiguous().t()
    both = torch.cat([flat["head.head.bias"], flat["patch_embedding.bias"]])
    flat["head.head.bias"], flat["patch_embedding.bias"] = both[:64], both[64:]
    flat["blocks.0.norm3.bias"] = torch.nn.Parameter(flat["blocks.0.norm3.bias"])
    torch.save(flat, HERE / "flat.pt", pickle_protocol=4)
    # What must be refused.
    torch.save({"generator_ema": plain, "extra": Evil()}, HERE / "evil.pt")
    torch.save({"generator_ema": {"model.patch_embedding.bias": plain["model.patch_embedding.bias"]}},
               HERE / "old-format.pt", _use_new_zipfile_serialization=False)
    torch.save({"generator_ema": torch.nn.Linear(2, 2)}, HERE / "module.pt")
    torch.save({"generator_ema": {k: v for k, v in plain.items() if "norm3" not in k}}, HERE / "incomplete.pt")
    torch.save(torch.zeros(3), HERE / "tensor.pt")


main()
