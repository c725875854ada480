"""Prints how far a model folder reaches its goals: python -m shapes.check MODEL_DIR"""

import argparse
import json
import time
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description="Generates held-out prompts and measures what is seen.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--prompts", type=int, default=50)
    parser.add_argument("--chunks", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sigmas", help="comma-separated, instead of the model's own")
    parser.add_argument("--sink", type=int)
    parser.add_argument("--wordings", action="store_true", help="random wordings instead of the plain one")
    parser.add_argument("--changes", type=int, metavar="N", help="only follow N sessions whose prompt changes at chunk 4")
    parser.add_argument("--sheet", type=Path, help="write a picture of the generated frames")
    parser.add_argument("--json", type=Path, help="write the figures")
    args = parser.parse_args()

    import numpy as np
    import torch
    from . import detect, world
    from .generate import Folder, Session

    torch.set_num_threads(args.threads)
    model = Folder(args.model)
    if args.changes:
        return changes(model, args.changes, args.seed)
    held_out = world.split()[1]
    rng = np.random.default_rng(args.seed)
    scenes = [held_out[i % len(held_out)] for i in range(args.prompts)]
    texts = [world.prompt(s, rng if args.wordings else None) for s in scenes]
    sigmas = [float(s) for s in args.sigmas.split(",")] if args.sigmas else None
    session = Session(model, texts, seed=args.seed, sigmas=sigmas, sink=args.sink)
    frames = np.concatenate([session.frames(session.latents()) for _ in range(args.chunks)], 1)

    right, coloured, backgrounds, inside, border, moved, missed = [], [], [], [], [], [], []
    per_chunk = [[] for _ in range(args.chunks)]
    borders = {12 * c - 3 for c in range(1, args.chunks)}
    for scene, video in zip(scenes, frames):
        last, track = None, []
        for i, frame in enumerate(video):
            colour, shape, centre, background = detect.find(frame)
            good = colour == scene.colour and shape == scene.shape
            right.append(good)
            coloured.append(colour == scene.colour)
            backgrounds.append(background == scene.background)
            per_chunk[0 if i < 9 else (i + 3) // 12].append(good)
            track.append(centre)
            if centre and last:
                (border if i in borders else inside).append(float(np.hypot(centre[0] - last[0], centre[1] - last[1])))
            last = centre
        moved.append(motion(track))
        missed.append((scene, 1 - np.mean(right[-len(video):]), moved[-1]))
    solo = Session(model, texts[:1], sigmas=sigmas, sink=args.sink)
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        solo.frames(solo.latents())
        seconds.append(time.perf_counter() - start)
    figures = {
        "prompts": len(scenes), "frames_per_prompt": int(frames.shape[1]), "passes_per_chunk": len(session.sigmas) + 1,
        "colour_and_shape_share": float(np.mean(right)), "colour_share": float(np.mean(coloured)),
        "background_share": float(np.mean(backgrounds)), "motion_share": float(np.mean([m == s.motion for m, s in zip(moved, scenes)])),
        "first_chunk_share": float(np.mean(per_chunk[0])), "last_chunk_share": float(np.mean(per_chunk[-1])),
        "jump_inside_px": float(np.mean(inside)), "jump_border_px": float(np.mean(border)),
        "jump_ratio": float(np.mean(border) / np.mean(inside)), "largest_jump_px": float(max(inside + border)),
        "chunk_seconds_one_thread": float(np.median(seconds)), "times_real_time": 12 / model.about["fps"] / float(np.median(seconds)),
    }
    for key, value in figures.items():
        print(f"{key:28} {value:.4g}")
    for scene, share, seen in sorted(missed, key=lambda m: -m[1])[:5]:
        if share > 0.02:
            print(f"  {share:.0%} of frames wrong: {world.prompt(scene)} (seen: {seen})")
    goals = (("colour and shape in >= 95 % of frames", figures["colour_and_shape_share"] >= 0.95),
             ("jump across borders <= 1.2 x that within chunks", figures["jump_ratio"] <= 1.2),
             ("a chunk on one thread in < 0.25 s", figures["chunk_seconds_one_thread"] < 0.25))
    for name, reached in goals:
        print(("reached      " if reached else "NOT reached  ") + name)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    if args.sheet:
        import cv2
        columns = sorted({0, 4, 8, *range(20, frames.shape[1], max(12, frames.shape[1] // 12))})
        rows = [np.concatenate(list(video[columns]), 1) for video in frames[:16]]
        cv2.imwrite(str(args.sheet), np.concatenate(rows, 0)[..., ::-1])


def changes(model, count, seed, at=4, chunks=12):
    """Prints the shares of frames that are as prompted, chunk by chunk, where the prompt changes from one scene to any other."""
    import numpy as np
    from . import detect, world
    from .generate import Session

    rng = np.random.default_rng(seed)
    offered = [s for s in world.ALL_SCENES if s.shape in world.OFFERED]
    before, after = ([offered[i] for i in rng.integers(len(offered), size=count)] for _ in range(2))
    session = Session(model, [world.prompt(s) for s in before], seed=seed)
    for chunk in range(chunks):
        scenes = before if chunk < at else after
        if chunk == at:
            session.prompt([world.prompt(s) for s in scenes])
        seen = []
        for scene, video in zip(scenes, session.frames(session.latents())):
            for frame in video:
                colour, shape, _, background = detect.find(frame)
                seen.append((colour == scene.colour and shape == scene.shape, colour == scene.colour, background == scene.background))
        print("chunk {:2}  colour and shape {:.3f}  colour {:.3f}  background {:.3f}".format(chunk, *np.mean(seen, 0)))


def motion(track):
    """The motion that a list of centres (None where nothing was found) shows over its second half."""
    import numpy as np
    points = [p for p in track[len(track) // 2:] if p]
    if len(points) < 10:
        return None
    p = np.array(points)
    span = p.max(0) - p.min(0)
    if span[1] < 0.5 * span[0]:
        return "left and right"
    if span[0] < 0.5 * span[1]:
        return "up and down"
    q = p - p.mean(0)
    turn = np.sum(q[:-1, 0] * q[1:, 1] - q[:-1, 1] * q[1:, 0])
    return "clockwise" if turn > 0 else "counterclockwise"


if __name__ == "__main__":
    main()
