"""Writes the model folder in the published layout, weights as float16."""

import json
import shutil

import torch
from safetensors.torch import save_file

from . import latents, train_flow, train_vae, world

GRAMMAR = {
    "example": world.prompt(world.ALL_SCENES[0]),
    "colours": list(world.COLOURS), "shapes": {k: list(world.SHAPE_WORDS[k]) for k in world.OFFERED},
    "motions": {k: list(v) for k, v in world.MOTION_PHRASES.items()}, "backgrounds": list(world.BACKGROUNDS),
    "background_phrases": [p.format("BACKGROUND") for p in world.BACKGROUND_PHRASES],
}


def _write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=2) + "\n")


def _half(weights):
    return {k: v.detach().half().contiguous() for k, v in weights.items()}


def export(out, folder, sigmas=train_flow.SIGMAS, sink=0, window=train_flow.WINDOW):
    """`out`: the training states; `folder`: the model folder."""
    state = torch.load(out / "flow.pt")["average"]
    part = lambda name: {k[len(name) + 1:]: v for k, v in state.items() if k.startswith(name + ".")}
    vae = torch.load(out / "sharp.pt")["average"]
    mean, std = torch.load(out / "statistics.pt")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(out / "tokenizer", folder / "tokenizer", dirs_exist_ok=True)
    _write(folder / "vae/config.json", {**train_vae.CONFIG, "latents_mean": [round(v, 5) for v in mean.tolist()],
                                        "latents_std": [round(v, 5) for v in std.tolist()]})
    _write(folder / "transformer/config.json", train_flow.CONFIG)
    text = part("text")
    _write(folder / "text_encoder/config.json", {**train_flow.TEXT_CONFIG, "vocab_size": text["shared.weight"].shape[0], "dtype": "float16"})
    save_file(_half(vae), folder / "vae/diffusion_pytorch_model.safetensors", {"format": "pt"})
    save_file(_half(part("transformer")), folder / "transformer/diffusion_pytorch_model.safetensors", {"format": "pt"})
    save_file(_half(text), folder / "text_encoder/model.safetensors", {"format": "pt"})
    timesteps = [round(1000 * s, 4) for s in sigmas]
    _write(folder / "scheduler/scheduler_config.json", {
        "_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0, "denoising_steps": timesteps})
    pair = lambda library, name: [library, name]
    _write(folder / "model_index.json", {
        "_class_name": "WanPipeline", "_diffusers_version": "0.35.0",
        "scheduler": pair("diffusers", "FlowMatchEulerDiscreteScheduler"), "text_encoder": pair("transformers", "UMT5EncoderModel"),
        "tokenizer": pair("transformers", "T5TokenizerFast"), "transformer": pair("diffusers", "WanTransformer3DModel"),
        "vae": pair("diffusers", "AutoencoderKLWan")})
    _write(folder / "reelfleet.json", {
        "name": "builtin:shapes", "width": world.SIZE, "height": world.SIZE, "fps": world.FPS, "frames_per_chunk": latents.FRAMES,
        "window_frames": window * latents.FRAMES, "sink_frames": sink, "denoising_steps": timesteps, "shift": 1.0, "timesteps": timesteps,
        "sigmas": list(sigmas), "text_len": train_flow.TEXT_LEN, "max_prompt_tokens": train_flow.TEXT_LEN, "controls": ["prompt"],
        "prompt_grammar": GRAMMAR})
    return folder
