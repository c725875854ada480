"""Everything from nothing: python -m shapes.train --out DIR --threads 1 --resume"""

import argparse
from collections import deque
from itertools import zip_longest
import os
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description="Trains builtin:shapes and writes its folder to OUT/model.")
    parser.add_argument("--out", type=Path, required=True, help="states, latents and the finished model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on with the states in OUT")
    parser.add_argument("--vae-steps", type=int, default=4000)
    parser.add_argument("--decoder-steps", type=int, default=2000)
    parser.add_argument("--clips", type=int, default=2700)
    parser.add_argument("--flow-steps", type=int, default=4000)
    parser.add_argument("--only", choices=("vae", "latents", "flow", "export"), help="one stage; flow trains transformer, text encoder and decoder")
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
        "latents": lambda: [latents.make(train_vae.encoder(args.out), args.out / name, args.clips, 4, openings=name == "openings")
                            for name in ("openings", "anywhere")],
        "flow": lambda: deque(zip_longest(train_flow.train(args.out, args.flow_steps), train_vae.train_decoder(args.out, args.decoder_steps)),
                              maxlen=0),  # one step of each in turn, in one thread
        "export": lambda: print("wrote", export.export(args.out, args.out / "model")),
    }
    for name, stage in stages.items():
        if args.only in (None, name):
            stage()


if __name__ == "__main__":
    main()
