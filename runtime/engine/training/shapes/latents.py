"""Latents of clips, computed once.

Two sets, in chunks of three latent frames: `openings` start where every session starts (`world.Walk`), one clip of eleven chunks
per scene, after which motions repeat; `anywhere` are five chunks, 57 video frames, that start at any place, and in a third of
them the prompt changes at a chunk border. So all that a model has to predict is determined by what it sees, and few denoising
steps are enough.
"""

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
    if rng.random() < 0.35:
        switch = int(rng.integers(1, CHUNKS))
        then = seen[rng.integers(len(seen))]
        if rng.random() < 0.5:  # often only one thing changes
            keep = ("colour", "shape", "motion", "background")
            change = keep[rng.integers(4)]
            mixed = world.Scene(**{k: getattr(then if k == change else scene, k) for k in keep})
            then = mixed if mixed in seen else then
    return scene, then, switch, world.Walk(scene, rng)


def make(vae, path, clips, seed, openings=False):
    """Writes clips to `path` in pieces, so that it can be stopped and continued, and read while it grows."""
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
            frames = world.clip(scene, first_frame(chunks), walk, then, first_frame(switch) if switch else None)
            with torch.no_grad():
                z = vae.posterior(to_tensor(frames)[None])[0][0].transpose(0, 1)
            rows.append((z.half(), world.ALL_SCENES.index(scene), world.ALL_SCENES.index(then), switch))
        z, *numbers = zip(*rows)
        data = {"z": torch.stack(z), **{k: torch.tensor(v) for k, v in zip(("scene", "then", "switch"), numbers)}}
        torch.save(data, str(file) + ".part")
        file.with_suffix(".pt.part").rename(file)
        print(f"latents {path.name} {piece + len(rows)}", flush=True)


def load(path):
    """All clips written so far, as tensors: z [clips, 3 * chunks, 16, 8, 8] float16, scene, then, switch [clips]."""
    pieces = [torch.load(p) for p in sorted(path.glob("*.pt"))]
    data = {k: torch.cat([p[k] for p in pieces]) for k in ("z", "scene", "then", "switch")}
    offered = torch.tensor([s.shape in world.OFFERED for s in world.ALL_SCENES])
    keep = offered[data["scene"]] & offered[data["then"]]
    return {k: v[keep] for k, v in data.items()}
