"""Latents of clips, computed once.

Two sets, in chunks of three latent frames: `openings` start where every session starts (`world.Walk`), one clip of eleven chunks
per scene, after which motions repeat; `anywhere` are five chunks, 57 video frames, that start at any place, and in most of
them the prompt changes at a chunk border. `other` is then the same clip with a shape that the new prompt does not name. So
all that a model has to predict is determined by what it sees, and few denoising steps are enough.
"""

import copy
from dataclasses import replace

import numpy as np
import torch

from . import world
from .vae import to_tensor

CHUNKS, OPENING_CHUNKS, FRAMES = 5, 11, 3


def first_frame(chunk):
    """The video frame at which a chunk starts: nine frames in the first chunk, twelve in the others."""
    return max(0, 12 * chunk - 3)


def _anywhere(seen, rng):
    """A scene, the scene after it (often the same), the chunk where it changes (0: nowhere), and how the shape starts."""
    scene = then = seen[rng.integers(len(seen))]
    switch = 0
    if rng.random() < 0.6:
        switch = int(rng.integers(1, CHUNKS))
        then = seen[rng.integers(len(seen))]
        if rng.random() < 0.5:  # often only one thing changes
            keep = ("colour", "shape", "motion", "background")
            change = keep[rng.integers(4)]
            mixed = world.Scene(**{k: getattr(then if k == change else scene, k) for k in keep})
            then = mixed if mixed in seen else then
    walk = world.Walk(scene, rng if rng.random() < 0.7 else None)
    for _ in range(4 * int(rng.integers(world.PERIOD // 4))):
        walk.step()
    return scene, then, switch, walk


def _mistaken(scene, then, seen, rng):
    """The scene after a change of prompt with a shape that it must not have: the old one, if that changed. None where it is held out."""
    others = [s for s in world.OFFERED if s != then.shape]
    other = replace(then, shape=scene.shape if scene.shape != then.shape else others[rng.integers(len(others))])
    return other if other in seen else None


def make(vae, path, clips, seed, openings=False):
    """Writes clips to `path` in pieces, so that it can be stopped and continued."""
    seen, _ = world.split()
    clips, chunks = (len(seen), OPENING_CHUNKS) if openings else (clips, CHUNKS)
    path.mkdir(parents=True, exist_ok=True)
    for piece in range(0, clips, 100):
        file = path / f"{piece:06d}.pt"
        if file.exists():
            continue
        rng = np.random.default_rng((seed, piece))
        rows = []
        for i in range(piece, min(piece + 100, clips)):
            scene, then, switch, walk = (seen[i], seen[i], 0, world.Walk(seen[i])) if openings else _anywhere(seen, rng)
            other = _mistaken(scene, then, seen, rng) if switch else None
            videos = [world.clip(scene, first_frame(chunks), copy.copy(walk), s, first_frame(switch) if switch else None)
                      for s in ([then, other] if other else [then])]
            with torch.no_grad():
                z = vae.posterior(to_tensor(np.stack(videos)))[0].transpose(1, 2).half()
            rows.append((z[0], z[-1], world.ALL_SCENES.index(scene), world.ALL_SCENES.index(then), switch))
        z, other, *numbers = zip(*rows)
        data = {"z": torch.stack(z), **{k: torch.tensor(v) for k, v in zip(("scene", "then", "switch"), numbers)}}
        if not openings:
            data["other"] = torch.stack(other)
        torch.save(data, str(file) + ".part")
        file.with_suffix(".pt.part").rename(file)
        print(f"latents {path.name} {piece + len(rows)}", flush=True)


def load(path):
    """All clips as tensors: z [clips, 3 * chunks, 16, 8, 8] float16, scene, then, switch [clips]; `anywhere` also has `other`, like z."""
    pieces = [torch.load(p) for p in sorted(path.glob("*.pt"))]
    return {k: torch.cat([p[k] for p in pieces]) for k in pieces[0]}
