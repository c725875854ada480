"""What plain PyTorch (eager) needs for the engine's work, on the same weights: the rival of `./reelfleet bench engine`.

    python -m shapes.eager FOLDER --window 9 --height 16 --width 16 --frames 3 --text-len 16

Reads lines `pass BATCH`, `chunk` and `decode` and answers each with a line: seconds by the clock and by the processor. The
batch is PyTorch's best case: all sessions at the same step, chunk and window, as one tensor.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from .transformer import Cache, Transformer
from .vae import VAE


def load(folder, name, module):
    config = json.loads((folder / name / "config.json").read_text())
    model, weights = module(config), {}
    for file in sorted((folder / name).glob("*.safetensors")):
        weights.update(load_file(file))
    model.load_state_dict({k: v.float() for k, v in weights.items()}, strict=False)
    return model.eval()


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    for name in ("window", "height", "width", "frames", "text-len", "steps", "threads"):
        parser.add_argument("--" + name, type=int, default=1)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    model, vae = load(a.folder, "transformer", Transformer), load(a.folder, "vae", VAE)
    channels = model.config["in_channels"]
    caches, state = {}, {}

    def cache(batch):
        """A full window of clean frames before the chunk."""
        if batch not in caches:
            c = Cache(len(model.blocks), a.window, 0)
            hidden = torch.randn(batch, a.text_len, model.config["text_dim"])
            while c.frames + a.frames < a.window:
                model(torch.randn(batch, a.frames, channels, a.height, a.width), 0, c, write=True, hidden=hidden)
                hidden = None
            if hidden is not None:
                text = model.embed_text(hidden)
                c.text = [block.attn2.key_value(text) for block in model.blocks]
            caches[batch] = c
        return caches[batch]

    def one_pass(batch):
        model(torch.randn(batch, a.frames, channels, a.height, a.width), 937.5, cache(batch))

    def chunk():
        c = cache(1)
        x = torch.randn(1, a.frames, channels, a.height, a.width)
        for _ in range(a.steps):
            flow = model(x, 937.5, c)
            x = x - 0.9 * flow
        model(x, 0, c, write=True)

    def decode():
        vae.decode(torch.randn(1, channels, a.frames, a.height, a.width), state)

    print("ready", torch.__version__, flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "pass":
            cache(int(words[1]))
            timed(lambda: one_pass(int(words[1])))
        elif words[0] == "chunk":
            cache(1)
            timed(chunk)
        elif words[0] == "decode":
            timed(decode)


main()
