"""The autoencoder: from nothing, then sharpened where shapes are told apart. Then it is final."""

import copy
from dataclasses import replace

import cv2
import numpy as np
import torch

from . import world
from .optim import Average, Log, Optimizer, save, schedule
from .vae import VAE, to_tensor

CONFIG = {
    "_class_name": "AutoencoderKLWan", "_diffusers_version": "0.35.0", "attn_scales": [], "base_dim": 8, "decoder_base_dim": None,
    "dim_mult": [1, 2, 4, 4], "dropout": 0.0, "in_channels": 3, "is_residual": False, "num_res_blocks": 1, "out_channels": 3,
    "patch_size": None, "scale_factor_spatial": 8, "scale_factor_temporal": 4, "temperal_downsample": [False, True, True], "z_dim": 16,
    "latents_mean": [0.0] * 16, "latents_std": [1.0] * 16,
}
OFFERED = [s for s in world.ALL_SCENES if s.shape in world.OFFERED]
MISTAKES = {"circle": "square", "square": "circle", "triangle": "circle"}  # what a soft picture of each shape is taken for


def batch(rng, size, frames, crop):
    """Crops of clips; in a quarter of them the scene changes at some frame."""
    out = []
    for _ in range(size):
        scene, then = (world.ALL_SCENES[rng.integers(len(world.ALL_SCENES))] for _ in range(2))
        video = world.clip(scene, frames, world.Walk(scene, rng), then if rng.random() < 0.25 else None, rng.integers(frames))
        y, x = (rng.integers(world.SIZE - crop + 1) for _ in range(2))
        out.append(video[:, y:y + crop, x:x + crop])
    return to_tensor(np.stack(out))


def around_shapes(rng, size, frames, crop):
    """Crops that hold the shape in the middle of the clip, and what each pixel's error weighs [size, 1, frames, crop, crop].

    Near the shape errors count four times, and twelve times where the shape that it is mistaken for looks different.
    """
    videos, weights = [], []
    for _ in range(size):
        scene, then = (OFFERED[rng.integers(len(OFFERED))] for _ in range(2))
        switch_at = rng.integers(frames) if rng.random() < 0.2 else None
        walk = world.Walk(scene, rng if rng.random() < 0.7 else None)
        halfway = copy.copy(walk)
        for _ in range(frames // 2):
            halfway.step()
        x, y = np.clip(halfway.position() - crop / 2 + rng.uniform(-5, 5, 2), 0, world.SIZE - crop).astype(int)
        video, weight = [], []
        for i in range(frames):
            if i == switch_at:
                scene = then
                walk.switch(scene)
            frame, mistake = (world.draw(s, *walk.position())[y:y + crop, x:x + crop]
                              for s in (scene, replace(scene, shape=MISTAKES[scene.shape])))
            walk.step()
            apart = lambda a, b: np.abs(a.astype(np.int16) - b).max(-1)
            near = cv2.dilate((apart(frame, np.array(world.BACKGROUNDS[scene.background])) > 6).astype(np.uint8), np.ones((5, 5), np.uint8))
            video.append(frame)
            weight.append(1 + 3 * near + 8 * np.minimum(apart(frame, mistake) / 100, 1))
        videos.append(np.stack(video))
        weights.append(np.stack(weight))
    return to_tensor(np.stack(videos)), torch.from_numpy(np.stack(weights)).float()[:, None]


def _parts(parameters, lr):
    parameters = list(parameters)
    matrices = [p for p in parameters if p.ndim >= 4 and p.shape[0] > 3 and p.shape[1] > 1]
    ids = {id(p) for p in matrices}
    return Optimizer(matrices, [p for p in parameters if id(p) not in ids], muon_lr=lr, adam_lr=0.4 * lr)


def _resume(path, vae, opt, average):
    if not path.exists():
        return 0
    state = torch.load(path)
    vae.load_state_dict(state["model"])
    opt.load_state_dict(state["opt"])
    average.weights, average.steps = state["average"], state["step"]
    return state["step"]


def _save(path, vae, opt, average, step):
    save(path, model=vae.state_dict(), opt=opt.state_dict(), average=average.weights, step=step)


def load(path):
    """The averaged weights that a stage left."""
    vae = VAE(CONFIG)
    vae.load_state_dict(torch.load(path)["average"])
    return vae


def _posterior(vae, video, kl_weight):
    """A sample of the posterior, and the KL loss."""
    mean, logvar = vae.posterior(video)
    kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
    return mean + torch.randn_like(mean) * (0.5 * logvar).exp(), kl_weight * kl


def train(out, total, seed=1, lr=0.005):
    """From nothing: L1 + L2 and a small KL term, which keeps latents smooth and lets the decoder forgive errors in them."""
    torch.manual_seed(seed)
    vae = VAE(CONFIG)
    opt, average, path, log = _parts(vae.parameters(), lr), Average(vae), out / "vae.pt", Log("vae")
    for step in range(_resume(path, vae, opt, average), total):
        rng = np.random.default_rng((seed, step))
        # Short clips first, then long ones, since the streaming cache has to be trained over many frames.
        video = batch(rng, *((10, 9, 32) if step < 0.45 * total else (5, 21, 32)))
        z, kl = _posterior(vae, video, 3e-4 * min(1.0, step / 500))
        error = vae.decode_raw(z) - video
        l1, l2 = error.abs().mean(), error.square().mean()
        (l1 + l2 + kl).backward()
        norm = opt.step(schedule(step, total, tail=0.2, floor=0.3))
        average.update(vae)
        log.add(step, l1=l1, l2=l2, kl=kl, norm=norm)
        if (step + 1) % 200 == 0 or step + 1 == total:
            _save(path, vae, opt, average, step + 1)


def sharpen(out, total, seed=11, lr=0.003):
    """Goes on with what `train` left, with errors weighed by what tells shapes apart, less KL, and offered shapes only."""
    torch.manual_seed(seed)
    vae = load(out / "vae.pt")
    opt, average, path, log = _parts(vae.parameters(), lr), Average(vae, 0.99), out / "sharp.pt", Log("sharpen")
    for step in range(_resume(path, vae, opt, average), total):
        rng = np.random.default_rng((seed, step))
        video, weight = around_shapes(rng, *((6, 9, 40), (6, 9, 40), (2, 21, 40), (1, 21, world.SIZE))[step % 4])
        z, kl = _posterior(vae, video, 1e-4)
        error = vae.decode_raw(z) - video
        (((error.abs() + 0.5 * error.square()) * weight).mean() + kl).backward()
        norm = opt.step(schedule(step, total, warmup=50, tail=0.75, floor=0.01))
        average.update(vae)
        near = weight > 1
        log.add(step, l1=error.abs().mean(), at_shape=(error.abs() * near).sum() / near.sum() / 3, kl=kl, norm=norm)
        if (step + 1) % 200 == 0 or step + 1 == total:
            _save(path, vae, opt, average, step + 1)
