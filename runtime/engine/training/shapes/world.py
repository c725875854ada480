"""The world the model is trained on: one coloured shape that moves on a plain background, and prompts that say so.

A scene is (colour, shape, motion, background). Every motion is smooth and stays inside the picture, so that a clip has
neither cuts nor wrap-arounds; a change of scene keeps the shape's place and glides into the new motion.
"""

from dataclasses import dataclass
import itertools
import math

import cv2
import numpy as np

SIZE = 64
FPS = 8
PERIOD = 40  # frames per oscillation or orbit
REACH = 16.0  # pixels from the centre of the picture
LINE = 12.0  # the furthest that a straight motion runs beside the centre, in pixels
GLIDE = 5.0  # frames in which an old motion fades when the prompt changes it

COLOURS = {
    "red": (225, 40, 40),
    "green": (45, 175, 65),
    "blue": (50, 100, 240),
    "yellow": (245, 215, 45),
    "purple": (165, 55, 205),
    "cyan": (60, 215, 225),
}
SHAPES = ("circle", "square", "triangle", "star")
OFFERED = ("circle", "square", "triangle")  # the autoencoder's stars are not yet told from pentagons; transformer and check leave them out
MOTIONS = ("left and right", "up and down", "clockwise", "counterclockwise")
BACKGROUNDS = {"black": (12, 12, 12), "white": (240, 240, 240), "gray": (128, 128, 128), "navy": (18, 24, 72)}

SHAPE_WORDS = {"circle": ("circle", "ball", "disc"), "square": ("square", "box"), "triangle": ("triangle",), "star": ("star",)}
MOTION_PHRASES = {
    "left and right": ("moving left and right", "going left and right", "sliding from side to side", "swinging left and right"),
    "up and down": ("moving up and down", "going up and down", "bouncing up and down", "jumping up and down"),
    "clockwise": ("moving clockwise", "going clockwise", "orbiting clockwise", "moving around clockwise"),
    "counterclockwise": (
        "moving counterclockwise", "going counterclockwise", "orbiting counterclockwise", "moving around counterclockwise"),
}
BACKGROUND_PHRASES = ("on a {} background", "over a {} background", "against a {} background", "in front of a {} background",
                      "on {}", "with a {} background")
OPENINGS = ("", "", "", "a video of ", "show ", "we see ")


@dataclass(frozen=True)
class Scene:
    colour: str
    shape: str
    motion: str
    background: str


ALL_SCENES = [Scene(*c) for c in itertools.product(COLOURS, SHAPES, MOTIONS, BACKGROUNDS)]


def split(seed=7, held_out=64):
    """Scenes for training, and scenes whose combination is never seen in training."""
    order = np.random.default_rng(seed).permutation(len(ALL_SCENES))
    parts = [ALL_SCENES[i] for i in order[held_out:]], [ALL_SCENES[i] for i in order[:held_out]]
    return tuple([s for s in part if s.shape in OFFERED] for part in parts)


def prompt(scene, rng=None):
    """One wording of a scene; without `rng` the plain one."""
    if rng is None:
        return f"a {scene.colour} {scene.shape} moving {scene.motion} on a {scene.background} background"
    pick = lambda options: options[rng.integers(len(options))]
    thing = f"{scene.colour} {pick(SHAPE_WORDS[scene.shape])}"
    motion = pick(MOTION_PHRASES[scene.motion])
    background = pick(BACKGROUND_PHRASES).format(scene.background)
    article = pick(("a ", "the ", "one "))
    form = rng.integers(6)
    if form == 0:
        text = f"{pick(OPENINGS)}{article}{thing} {motion} {background}"
    elif form == 1:
        text = f"{background} {article}{thing} is {motion}"
    elif form == 2:
        text = f"{pick(OPENINGS)}{article}{thing} {background}, {motion}"
    elif form == 3:
        parts = [thing, motion, pick((f"{scene.background} background", background))]
        text = ", ".join(parts[i] for i in rng.permutation(3))
    elif form == 4:
        text = f"{pick(OPENINGS)}{article}{thing} that is {motion} {background}"
    else:
        text = f"{motion} {background}: {article}{thing}"
    if rng.random() < 0.1:  # a word the grammar does not know changes nothing
        words = text.split(" ")
        words.insert(rng.integers(len(words) + 1), "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), rng.integers(2, 8))))
        text = " ".join(words)
    if rng.random() < 0.4:
        text = text[0].upper() + text[1:]
    return text + pick(("", "", "."))


def outline(shape, x, y):
    """Corners [n, 2] of a shape centred (by area) at x, y in pixels; None for the circle."""
    if shape == "square":
        return np.array([(x + dx, y + dy) for dx, dy in ((-10, -10), (10, -10), (10, 10), (-10, 10))])
    if shape == "triangle":
        a = np.deg2rad([-90, 30, 150])
        return np.stack([x + 14 * np.cos(a), y + 14 * np.sin(a)], -1)
    if shape == "star":
        a = np.deg2rad(-90 + 36 * np.arange(10))
        r = np.where(np.arange(10) % 2 == 0, 14.0, 6.2)
        return np.stack([x + r * np.cos(a), y + r * np.sin(a)], -1)
    return None


def draw(scene, x, y):
    """One frame [64, 64, 3] uint8 RGB, anti-aliased by fourfold supersampling."""
    k, bits = 4, 4
    image = np.empty((SIZE * k, SIZE * k, 3), np.uint8)
    image[:] = BACKGROUNDS[scene.background]
    fixed = lambda v: int(round((v * k - 0.5) * (1 << bits)))
    corners = outline(scene.shape, x, y)
    if corners is None:
        cv2.circle(image, (fixed(x), fixed(y)), 11 * k << bits, COLOURS[scene.colour], -1, cv2.LINE_8, bits)
    else:
        points = np.round((corners * k - 0.5) * (1 << bits)).astype(np.int32)
        cv2.fillPoly(image, [points], COLOURS[scene.colour], cv2.LINE_8, bits)
    return cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


class Walk:
    """Where the shape is, frame by frame: at the start of a session from the same place, with `rng` from any."""

    def __init__(self, scene, rng=None):
        self.phase = rng.uniform(0, 2 * math.pi) if rng else 0.0
        self.line = 32 + (rng.uniform(-LINE, LINE) if rng else 0.0)  # the coordinate a straight motion keeps
        self.motion = scene.motion
        self.offset = np.zeros(2)

    def _path(self):
        s, c = math.sin(self.phase), math.cos(self.phase)
        if self.motion == "left and right":
            return np.array([32 + REACH * s, self.line])
        if self.motion == "up and down":
            return np.array([self.line, 32 + REACH * s])
        turn = 1 if self.motion == "clockwise" else -1  # y points down
        return np.array([32 + REACH * c, 32 + turn * REACH * s])

    def position(self):
        return self._path() + self.offset

    def step(self):
        self.phase += 2 * math.pi / PERIOD
        self.offset *= math.exp(-1 / GLIDE)

    def switch(self, scene):
        """Glides into another motion from the place where the shape is."""
        if scene.motion == self.motion:
            return
        at = self.position()
        dx, dy = np.clip((at - 32) / REACH, -1, 1)
        self.motion = scene.motion
        if scene.motion == "left and right":
            self.phase, self.line = math.asin(dx), float(np.clip(at[1], 32 - LINE, 32 + LINE))
        elif scene.motion == "up and down":
            self.phase, self.line = math.asin(dy), float(np.clip(at[0], 32 - LINE, 32 + LINE))
        else:
            self.phase = math.atan2(dy if scene.motion == "clockwise" else -dy, dx)
        self.offset = at - self._path()


def clip(scene, frames, walk, then=None, switch_at=None):
    """Frames [frames, 64, 64, 3] uint8 of a scene; from frame `switch_at` on of the scene `then`."""
    out = []
    for i in range(frames):
        if then is not None and i == switch_at:
            scene = then
            walk.switch(scene)
        out.append(draw(scene, *walk.position()))
        walk.step()
    return np.stack(out)
