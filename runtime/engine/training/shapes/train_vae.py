"""The autoencoder: both halves from nothing, then sharpened together, and at the end the decoder alone on what the transformer makes."""

import copy
from dataclasses import replace

import cv2
import numpy as np
import torch

from . import detect, latents, world
from .optim import Average, Log, Optimizer, save, schedule
from .vae import VAE, to_frames, to_tensor

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
    """The averaged weights that a stage left, frozen."""
    vae = VAE(CONFIG)
    vae.load_state_dict(torch.load(path)["average"])
    return vae.requires_grad_(False)


def encoder(out):
    """The autoencoder whose encoder is final."""
    return load(out / "sharp.pt")


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
    vae = load(out / "vae.pt").requires_grad_(True)
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


class Stream:
    """Sessions that the model generated, side by side, decoded chunk after chunk with the decoder's cache carried along."""

    def __init__(self, own, size, rng, chunk=0):
        self.own, self.size = own, size
        self._begin(rng, chunk)

    def _begin(self, rng, chunk=0):
        self.rows = rng.integers(len(self.own["z"]), size=self.size)
        self.scenes = [world.ALL_SCENES[s] for s in self.own["scene"][self.rows].tolist()]
        self.walks = [world.Walk(s) for s in self.scenes]
        for walk in self.walks:
            for _ in range(12 * chunk):
                walk.step()
        self.chunk, self.state = chunk, {}

    def next(self, vae, rng):
        """Decoded video of the next chunks, and the pictures that it should be: the prompted shape where the decoder sees one."""
        frames = latents.FRAMES
        if frames * self.chunk == self.own["z"].shape[1]:
            self._begin(rng)
        z = self.own["z"][self.rows, frames * self.chunk:frames * (self.chunk + 1)].float().transpose(1, 2)
        self.chunk += 1
        video = vae.decode_raw(z, self.state)
        self.state = {k: v.detach() if torch.is_tensor(v) else v for k, v in self.state.items()}
        return video, to_tensor(np.stack([self._drawn(to_frames(v), s, w) for v, s, w in zip(video, self.scenes, self.walks)]))

    @staticmethod
    def _drawn(frames, scene, walk):
        places, away = [], []
        for frame in frames:
            places.append(walk.position().copy())
            walk.step()
            y, x = np.nonzero(detect.nearest(frame) == detect.NAMES.index(scene.colour))
            if len(x) >= detect.LEAST:
                away.append((x.mean() + 0.5 - places[-1][0], y.mean() + 0.5 - places[-1][1]))
        # One shift per chunk: late in a session the shape may lead or lag its true path a little, and nobody minds.
        shift = np.clip(np.median(away, 0), -6, 6) if away else 0
        return np.stack([world.draw(scene, *(p + shift)) for p in places])


def train_decoder(out, total, seed=3, lr=0.0015, size=3, true_share=0.25, rough=0.1):
    """The decoder alone, three quarters on own.pt, the rest on true latents with noise beyond the posterior's own."""
    torch.manual_seed(seed)
    vae, own = encoder(out), torch.load(out / "own.pt")
    mine = [p for n, p in vae.named_parameters() if n.startswith(("decoder", "post_quant"))]
    for p in mine:
        p.requires_grad_(True)
    opt, average, path, log = _parts(mine, lr), Average(vae, 0.98), out / "decoder.pt", Log("decoder")
    start = _resume(path, vae, opt, average)
    rng = np.random.default_rng((seed, start))
    chunks = own["z"].shape[1] // latents.FRAMES
    streams = [Stream(own, size, rng, chunks * i // 4) for i in range(4)]  # early and late in sessions in turn
    for step in range(start, total):
        rng = np.random.default_rng((seed, step))
        if rng.random() < true_share:
            video, _ = around_shapes(rng, *((4, 9, 40) if rng.random() < 0.7 else (1, 21, world.SIZE)))
            with torch.no_grad():
                z, logvar = vae.posterior(video)
                z += torch.randn_like(z) * ((0.5 * logvar).exp() * rng.uniform() + rough * rng.uniform())
            made, kind = vae.decode_raw(z), "true"
        else:
            (made, video), kind = streams[step % 4].next(vae, rng), "own"
        with torch.no_grad():
            background = video.flatten(-2).median(-1).values[..., None, None]
            near = torch.nn.functional.max_pool3d(((video - background).abs().amax(1) > 0.05).float(), (1, 5, 5), 1, (0, 2, 2))[:, None]
        error = made - video
        ((error.abs() + 0.5 * error.square()) * (1 + 4 * near)).mean().backward()
        norm = opt.step(schedule(step, total, warmup=30, tail=0.6))
        average.update(vae)
        log.add(step, norm=norm, **{f"{kind} l1": error.abs().mean(), f"{kind} at_shape": (error.abs() * near).sum() / near.sum() / 3})
        if (step + 1) % 100 == 0 or step + 1 == total:
            _save(path, vae, opt, average, step + 1)
