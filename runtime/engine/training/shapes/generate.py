"""A session as the serving engine runs it: few denoising steps, a pass at t = 0, streaming decode."""

import json

import torch
from safetensors.torch import load_file

from .text import TextEncoder, Tokenizer
from .transformer import Cache, Transformer
from .vae import VAE


class Folder:
    """A model folder in the published layout."""

    def __init__(self, path):
        read = lambda name: json.loads((path / name).read_text())
        self.about = read("reelfleet.json")
        self.vae = VAE(read("vae/config.json"))
        self.transformer = Transformer(read("transformer/config.json"))
        self.text = TextEncoder(read("text_encoder/config.json"))
        for module, file in ((self.vae, "vae/diffusion_pytorch_model.safetensors"),
                             (self.transformer, "transformer/diffusion_pytorch_model.safetensors"),
                             (self.text, "text_encoder/model.safetensors")):
            module.load_state_dict({k: v.float() for k, v in load_file(path / file).items()})
            module.eval()
        self.tokens = Tokenizer(path / "tokenizer", self.about["text_len"])


class Session:
    """Generates chunks. All prompts of a batch advance together; `prompt` may change between chunks."""

    def __init__(self, model, prompts, seed=0, sigmas=None, window=None, sink=None):
        self.model, about = model, model.about
        self.sigmas = sigmas or about["sigmas"]
        self.cache = Cache(len(model.transformer.blocks), about["window_frames"] if window is None else window,
                           about["sink_frames"] if sink is None else sink)
        self.generator = torch.Generator().manual_seed(seed)
        self.size, self.state = len(prompts), {}
        self.prompt(prompts)

    @torch.no_grad()
    def prompt(self, prompts):
        self.hidden = self.model.text(self.model.tokens(prompts))

    def noise(self):
        c, h, w = self.model.vae.config["z_dim"], self.model.about["height"] // 8, self.model.about["width"] // 8
        return torch.randn(self.size, self.model.about["frames_per_chunk"], c, h, w, generator=self.generator)

    @torch.no_grad()
    def latents(self, noise=None):
        """The next chunk's latents [prompts, 3, 16, h, w]."""
        x = self.noise() if noise is None else noise
        for i, sigma in enumerate(self.sigmas):
            flow = self.model.transformer(x, 1000 * sigma, self.cache, hidden=self.hidden)
            self.hidden = None
            x0 = x - sigma * flow
            if i + 1 < len(self.sigmas):
                x = (1 - self.sigmas[i + 1]) * x0 + self.sigmas[i + 1] * self.noise()
        self.model.transformer(x0, 0, self.cache, write=True)
        return x0

    @torch.no_grad()
    def frames(self, latents):
        """uint8 [prompts, frames, height, width, 3]: nine frames of the first chunk, twelve of every other."""
        video = self.model.vae.decode(latents.transpose(1, 2), self.state)
        return ((video + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 4, 1).numpy()
