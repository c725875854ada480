"""Muon for matrices, Adam for the rest, averaged weights, and states that survive a restart."""

import math
import os
import time

import torch


def _orthogonal(g, steps=5):
    """The nearest orthogonal matrices [n, rows, columns], roughly: Newton-Schulz with the quintic coefficients of Muon (Jordan et al., 2024)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(steps):
        m = x @ x.mT
        x = a * x + (b * m + c * m @ m) @ x
    return x.mT if tall else x


class Optimizer:
    """`muon`: list of weights with two or more dimensions (convolutions are flattened); `adam`: everything else."""

    def __init__(self, muon, adam, muon_lr=0.02, adam_lr=2e-3, betas=(0.9, 0.99), momentum=0.95, clip=1.0):
        self.muon, self.muon_lr, self.momentum, self.clip = muon, muon_lr, momentum, clip
        self.buffers = [torch.zeros_like(p) for p in muon]
        self.adam_lr = adam_lr
        self.adam = torch.optim.Adam(adam, lr=adam_lr, betas=betas) if adam else None
        self.all = muon + adam

    @torch.no_grad()
    def step(self, scale):
        """One update with learning rates times `scale`; a step whose gradient is not finite is skipped."""
        norm = torch.nn.utils.clip_grad_norm_(self.all, self.clip)
        if torch.isfinite(norm):
            if self.adam:
                self.adam.param_groups[0]["lr"] = self.adam_lr * scale
                self.adam.step()
            alike = {}
            for p, m in zip(self.muon, self.buffers):
                if p.grad is not None:
                    m.lerp_(p.grad, 1 - self.momentum)
                    alike.setdefault(p.flatten(1).shape, []).append((p, p.grad.lerp(m, self.momentum).flatten(1)))
            for shape, pairs in alike.items():
                updates = _orthogonal(torch.stack([g for _, g in pairs]))
                for (p, _), u in zip(pairs, updates):
                    p.sub_(u.view_as(p), alpha=self.muon_lr * scale * 0.2 * math.sqrt(max(shape)))  # the size of an Adam update
        for p in self.all:
            p.grad = None
        return float(norm)

    def state_dict(self):
        return {"buffers": self.buffers, "adam": self.adam.state_dict() if self.adam else None}

    def load_state_dict(self, state):
        for m, s in zip(self.buffers, state["buffers"]):
            m.copy_(s)
        if self.adam:
            self.adam.load_state_dict(state["adam"])


class Average:
    """Exponential moving average of a module's weights, with a short memory at the beginning."""

    def __init__(self, module, decay=0.999):
        self.decay, self.steps = decay, 0
        self.weights = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module):
        self.steps += 1
        d = min(self.decay, self.steps / (self.steps + 10))
        for k, v in module.state_dict().items():
            self.weights[k].lerp_(v, 1 - d)


def schedule(step, total, warmup=100, tail=0.4, floor=0.02):
    """Warm-up, a plateau, and a linear decay over the last `tail` of the run."""
    left = (total - step) / (tail * total)
    return min(1.0, (step + 1) / warmup) * max(floor, min(1.0, left))


def save(path, **state):
    torch.save(state, str(path) + ".part")
    os.replace(str(path) + ".part", path)


class Log:
    """Means of named figures, printed every `every` steps."""

    def __init__(self, name, every=50):
        self.name, self.every, self.sums, self.n, self.start = name, every, {}, 0, time.time()

    def add(self, step, **figures):
        self.n += 1
        for k, v in figures.items():
            total, count = self.sums.get(k, (0.0, 0))
            self.sums[k] = total + float(getattr(v, 'detach', lambda: v)()), count + 1
        if (step + 1) % self.every == 0:
            text = " ".join(f"{k} {total / count:.4f}" for k, (total, count) in self.sums.items())
            seconds = (time.time() - self.start) / self.n
            print(f"{time.strftime('%H:%M:%S')} {self.name} {step + 1} {text} {seconds:.2f} s/step", flush=True)
            self.sums, self.n, self.start = {}, 0, time.time()
