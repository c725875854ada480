"""What the detector sees in the pictures the model learns from, and how smoothly they move."""

import numpy as np

from shapes import detect, world


def test_detector_finds_every_scene_in_its_own_pictures():
    rng = np.random.default_rng(1)
    for scene in world.ALL_SCENES:
        for frame in world.clip(scene, 3, world.Walk(scene, rng)):
            colour, shape, _, background = detect.find(frame)
            assert (colour, shape, background) == (scene.colour, scene.shape, scene.background)


def test_a_change_of_scene_moves_the_shape_no_further_than_a_few_pixels():
    rng = np.random.default_rng(2)
    for _ in range(200):
        before, after = (world.ALL_SCENES[rng.integers(len(world.ALL_SCENES))] for _ in range(2))
        walk, places = world.Walk(before, rng), []
        for i in range(60):
            if i == 20:
                walk.switch(after)
            places.append(walk.position())
            walk.step()
        places = np.array(places)
        assert np.abs(np.diff(places, axis=0)).max() < 7
        assert places.min() > 14 and places.max() < 50


def test_held_out_scenes_are_not_trained_on():
    seen, held_out = world.split()
    assert not set(seen) & set(held_out)
    assert {s.shape for s in seen + held_out} == set(world.OFFERED)
