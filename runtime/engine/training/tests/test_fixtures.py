"""The model code answers as the public implementations do, where their answers are at hand."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from shapes.text import TextEncoder, Tokenizer
from shapes.transformer import Cache, Transformer
from shapes.vae import VAE

ROOT = Path(os.environ.get("REELFLEET_FIXTURES", Path(__file__).parents[4].parent / "shared/fixtures"))
CASES = sorted(p.parent for p in ROOT.glob("*/case.json"))
if not CASES:
    pytest.skip(f"no fixtures in {ROOT}; name their folder in REELFLEET_FIXTURES", allow_module_level=True)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)


@pytest.fixture(params=CASES, ids=lambda p: p.name)
def case(request):
    return request.param, load_file(request.param / "expected.safetensors")


@torch.no_grad()
def test_vae_decodes_and_encodes(case):
    folder, expected = case
    vae = VAE(json.loads((folder / "vae/config.json").read_text()))
    vae.load_state_dict(load_file(folder / "vae/diffusion_pytorch_model.safetensors"))
    latents = expected["vae.decode.input"]
    close(vae.decode(latents), expected["vae.decode.output"])
    state = {}
    pieces = [vae.decode(latents[:, :, i:i + 3], state) for i in range(0, latents.shape[2], 3)]
    close(torch.cat(pieces, 2), expected["vae.decode.output"])
    close(vae.encode(expected["vae.encode.input"]), expected["vae.encode.output"])


@torch.no_grad()
def test_text_encoder_and_tokenizer(case):
    folder, expected = case
    encoder = TextEncoder(json.loads((folder / "text_encoder/config.json").read_text()))
    weights = load_file(folder / "text_encoder/model.safetensors")
    encoder.load_state_dict({k: v for k, v in weights.items() if k != "encoder.embed_tokens.weight"})
    for i in range(3):
        close(encoder(expected[f"text{i}.ids"]), expected[f"text{i}.hidden"])
    tokenizer = Tokenizer(folder / "tokenizer", 512)
    for answer in json.loads((folder / "tokenizer/expected.json").read_text()):
        ids = tokenizer([answer["text"]])[0]
        assert ids[ids != 0].tolist() == answer["ids"]


@torch.no_grad()
def test_transformer_denoises_chunk_by_chunk(case):
    folder, expected = case
    about = json.loads((folder / "case.json").read_text())
    model = Transformer(json.loads((folder / "transformer/config.json").read_text()))
    weights = {}
    for shard in sorted((folder / "transformer").glob("*.safetensors")):
        weights.update(load_file(shard))
    model.load_state_dict(weights)
    for session in ("one", "two"):
        embeds = expected[f"{session}.prompt_embeds"]
        hidden = torch.zeros(1, about["text_len"], embeds.shape[1])
        hidden[0, : len(embeds)] = embeds
        cache = Cache(len(model.blocks), about["window_frames"], about["sink_frames"])
        for c in range(about["chunks"]):
            frames = slice(c * 3, c * 3 + 3)
            x = expected[f"{session}.noise"][:, frames]
            for i, (t, sigma) in enumerate(zip(about["timesteps"], expected["sigmas"])):
                flow = model(x, t, cache, hidden=hidden if c == i == 0 else None)
                name = f"{session}.flow.chunk{c}.step{i}"
                if name in expected:
                    close(flow, expected[name])
                x0 = x - sigma * flow
                if i + 1 < len(expected["sigmas"]):
                    s = expected["sigmas"][i + 1]
                    x = (1 - s) * x0 + s * expected[f"{session}.renoise"][:, c, i]
            close(x0, expected[f"{session}.latents"][:, frames])
            model(x0, 0, cache, write=True)
        close(cache.keys[-1].transpose(1, 2), expected[f"{session}.k_rotated.last"])
        close(cache.values[0].transpose(1, 2), expected[f"{session}.v.layer0"])


@torch.no_grad()
def test_teacher_forcing_sees_what_the_cache_holds(case):
    folder, _ = case
    model = Transformer(json.loads((folder / "transformer/config.json").read_text()))
    g = torch.Generator().manual_seed(3)
    clean, noisy = torch.randn(1, 5, 3, 16, 4, 4, generator=g), torch.randn(1, 2, 4, 3, 16, 4, 4, generator=g)
    hidden = torch.randn(1, 5, 6, model.config["text_dim"], generator=g)
    flows = model.teacher_forced(clean, noisy, torch.full((1, 2, 4), 500.0), hidden, range(15), window=3, skip=1)
    cache = Cache(len(model.blocks), window=9)
    for c in range(5):
        if c:
            for copy in range(2):
                close(model(noisy[:, copy, c - 1], 500.0, cache, hidden=hidden[:, c]), flows[:, copy, c - 1])
        model(clean[:, c], 0, cache, write=True, hidden=hidden[:, c])
