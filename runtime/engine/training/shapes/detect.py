"""A plain detector: nearest colour per pixel, largest contour, and the contour's own proportions."""

import cv2
import numpy as np

from . import world

ZOOM = 2  # contours are taken from an enlarged picture, for places finer than a pixel
LEAST = 60  # pixels; what is smaller is not seen
NAMES = list(world.COLOURS) + list(world.BACKGROUNDS)
ANCHORS = np.array(list(world.COLOURS.values()) + list(world.BACKGROUNDS.values()), np.float32)


def nearest(frame):
    """Index into NAMES for each pixel of an RGB frame."""
    return (np.square(ANCHORS).sum(1) - 2 * frame.astype(np.float32) @ ANCHORS.T).argmin(-1)


def classify(contour):
    """The shape of a contour: how much of its hull it fills, then how much of the smallest triangle, square and circle around it."""
    area, hull = cv2.contourArea(contour), cv2.contourArea(cv2.convexHull(contour))
    if area < 1 or hull < 1:
        return None
    if area / hull < 0.78:
        return "star"
    triangle = area / max(cv2.minEnclosingTriangle(contour)[0], 1)
    circle = area / (np.pi * cv2.minEnclosingCircle(contour)[1] ** 2)
    if triangle > 0.78:
        return "triangle"
    return "circle" if circle > 0.8 else "square"


def find(frame):
    """(colour, shape, centre, background) of the largest coloured thing in an RGB frame; Nones where there is none."""
    labels = nearest(cv2.resize(frame, None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_CUBIC))
    n = len(world.COLOURS)
    back = np.bincount(labels[labels >= n] - n, minlength=len(world.BACKGROUNDS))
    background = NAMES[n + int(back.argmax())] if back.sum() else None
    counts = np.bincount(labels[labels < n], minlength=n)
    if counts.max() < LEAST * ZOOM**2:
        return None, None, None, background
    colour = int(counts.argmax())
    mask = (labels == colour).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea)
    m = cv2.moments(contour)
    if m["m00"] < LEAST * ZOOM**2:
        return NAMES[colour], None, None, background
    return NAMES[colour], classify(contour), (m["m10"] / m["m00"] / ZOOM, m["m01"] / m["m00"] / ZOOM), background
