"""First stage: the autoencoder. The encoder is frozen early, so that latents can be made; the decoder goes on learning."""

import copy

import numpy as np
import torch

from . import world
from .optim import Average, Log, Optimizer, save, schedule
from .vae import VAE

CONFIG = {
    "_class_name": "AutoencoderKLWan", "_diffusers_version": "0.35.0", "attn_scales": [], "base_dim": 8, "decoder_base_dim": None,
    "dim_mult": [1, 2, 4, 4], "dropout": 0.0, "in_channels": 3, "is_residual": False, "num_res_blocks": 1, "out_channels": 3,
    "patch_size": None, "scale_factor_spatial": 8, "scale_factor_temporal": 4, "temperal_downsample": [False, True, True], "z_dim": 16,
    "latents_mean": [0.0] * 16, "latents_std": [1.0] * 16,
}


def to_tensor(frames):
    """uint8 [..., T, H, W, 3] to float [..., 3, T, H, W] in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(frames, -1, -4))).float() / 127.5 - 1


def batch(rng, size, frames, crop):
    """Crops of clips; in a quarter of them the scene changes at some frame."""
    out = []
    for _ in range(size):
        scene, then = (world.ALL_SCENES[rng.integers(len(world.ALL_SCENES))] for _ in range(2))
        video = world.clip(scene, frames, world.Walk(scene, rng), then if rng.random() < 0.25 else None, rng.integers(frames))
        y, x = (rng.integers(world.SIZE - crop + 1) for _ in range(2))
        out.append(video[:, y:y + crop, x:x + crop])
    return to_tensor(np.stack(out))


def plan(step, total):
    """Batch, frames and crop: short clips first, then long ones, since the streaming cache has to be trained over many frames."""
    return (10, 9, 32) if step < 0.45 * total else (5, 21, 32)


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


def train(out, total=1200, seed=1, lr=0.005):
    """Both halves: L1 + L2 and a small KL term, which keeps latents smooth and lets the decoder forgive errors in them."""
    torch.manual_seed(seed)
    vae = VAE(CONFIG)
    opt, average, path, log = _parts(vae.parameters(), lr), Average(vae), out / "vae.pt", Log("vae")
    for step in range(_resume(path, vae, opt, average), total):
        rng = np.random.default_rng((seed, step))
        video = batch(rng, *plan(step, total))
        mean, logvar = vae.posterior(video)
        z = mean + torch.randn_like(mean) * (0.5 * logvar).exp()
        error = vae.decode_raw(z) - video
        l1, l2 = error.abs().mean(), error.square().mean()
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        (l1 + l2 + 3e-4 * min(1.0, step / 500) * kl).backward()
        norm = opt.step(schedule(step, total, tail=0.2, floor=0.3))
        average.update(vae)
        log.add(step, l1=l1, l2=l2, kl=kl, norm=norm)
        if (step + 1) % 200 == 0 or step + 1 == total:
            _save(path, vae, opt, average, step + 1)


def encoder(out):
    """The autoencoder as the first stage left it; its encoder is final."""
    vae = VAE(CONFIG)
    vae.load_state_dict(torch.load(out / "vae.pt")["average"])
    return vae.requires_grad_(False)


def around_shapes(rng, size, frames, crop):
    """Crops that hold the shape in the middle of the clip; in a fifth of the clips the scene changes."""
    out = []
    for _ in range(size):
        scene, then = (world.ALL_SCENES[rng.integers(len(world.ALL_SCENES))] for _ in range(2))
        walk = world.Walk(scene, rng)
        halfway = copy.copy(walk)
        for _ in range(frames // 2):
            halfway.step()
        centre = halfway.position()
        video = world.clip(scene, frames, walk, then if rng.random() < 0.2 else None, rng.integers(frames))
        x, y = np.clip(centre - crop / 2 + rng.uniform(-5, 5, 2), 0, world.SIZE - crop).astype(int)
        out.append(video[:, y:y + crop, x:x + crop])
    return to_tensor(np.stack(out))


def train_decoder(out, total=900, seed=3, lr=0.003, rough=0.12):
    """The decoder alone, a step per `next`, with noise in the latents beyond the posterior's own; errors at the shape count five times."""
    torch.manual_seed(seed)
    vae = encoder(out)
    mine = [p for n, p in vae.named_parameters() if n.startswith(("decoder", "post_quant"))]
    for p in mine:
        p.requires_grad_(True)
    opt, average, path, log = _parts(mine, lr), Average(vae, 0.995), out / "decoder.pt", Log("decoder")
    own = torch.load(out / "own.pt") if (out / "own.pt").exists() else None
    for step in range(_resume(path, vae, opt, average), total):
        rng = np.random.default_rng((seed, step))
        if own and step % 2:
            row = rng.integers(len(own["z"]))
            scene = world.ALL_SCENES[own["scene"][row]]
            video = to_tensor(world.clip(scene, 4 * own["z"].shape[1] - 3, world.Walk(scene)))[None]
            z = own["z"][row].float().transpose(0, 1)[None]
        else:
            video = around_shapes(rng, 4, 9, 40) if step % 4 else around_shapes(rng, 1, 21, world.SIZE)
            with torch.no_grad():
                z, logvar = vae.posterior(video)
                z += torch.randn_like(z) * ((0.5 * logvar).exp() * rng.uniform() + rough * rng.uniform())
        with torch.no_grad():
            background = video.flatten(-2).median(-1).values[..., None, None]
            near = torch.nn.functional.max_pool3d(((video - background).abs().amax(1) > 0.05).float(), (1, 5, 5), 1, (0, 2, 2))
            weight = 1 + 4 * near[:, None]
        error = vae.decode_raw(z) - video
        ((error.abs() + error.square()) * weight).mean().backward()
        norm = opt.step(schedule(step, total, warmup=50))
        average.update(vae)
        log.add(step, l1=error.abs().mean(), l2=error.square().mean(), at_shape=(error.abs() * near[:, None]).sum() / near.sum() / 3, norm=norm)
        if (step + 1) % 50 == 0 or step + 1 == total:
            _save(path, vae, opt, average, step + 1)
        yield step
