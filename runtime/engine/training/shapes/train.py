"""Everything from nothing: python -m shapes.train --out DIR --threads 1 --resume"""

import argparse
import os
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description="Trains builtin:shapes and writes its folder to OUT/model.")
    parser.add_argument("--out", type=Path, required=True, help="states, latents and the finished model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on with the states in OUT")
    parser.add_argument("--vae-steps", type=int, default=1500)
    parser.add_argument("--sharpen-steps", type=int, default=1250)
    parser.add_argument("--clips", type=int, default=1300)
    parser.add_argument("--flow-steps", type=int, default=5350)
    parser.add_argument("--only", choices=("vae", "sharpen", "latents", "flow", "export"),
                        help="one stage; flow trains transformer and text encoder")
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(args.threads))
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

    import torch
    from . import export, latents, train_flow, train_vae

    torch.set_num_threads(args.threads)
    if args.out.exists() and any(args.out.iterdir()) and not args.resume:
        parser.error(f"{args.out} is not empty; add --resume to go on, or name another folder")
    args.out.mkdir(parents=True, exist_ok=True)
    stages = {
        "vae": lambda: train_vae.train(args.out, args.vae_steps),
        "sharpen": lambda: train_vae.sharpen(args.out, args.sharpen_steps),
        "latents": lambda: [latents.make(train_vae.load(args.out / "sharp.pt"), args.out / name, args.clips, 8, openings=name == "openings")
                            for name in ("openings", "anywhere")],
        "flow": lambda: train_flow.train(args.out, args.flow_steps),
        "export": lambda: print("wrote", export.export(args.out, args.out / "model")),
    }
    for name, stage in stages.items():
        if args.only in (None, name):
            stage()


if __name__ == "__main__":
    main()
