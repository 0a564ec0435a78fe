"""Teach the network of two_layer_network.grad to read handwritten digits, with gradients from gradc.

    python examples/digits.py                        # some seconds; prints how many held-out digits are read right
    python examples/digits.py --plot loss.svg        # draws the losses as well

The digits are the 1797 images of 8 by 8 pixels that come with scikit-learn (E. Alpaydin and C. Kaynak, "Optical
recognition of handwritten digits", UCI Machine Learning Repository, 1998). A fifth of them is held out. The rest is
shown in shuffled mini-batches, many an image moved by a pixel; "Adam" (D. P. Kingma and J. Ba, ICLR 2015) takes the
steps.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import gradc

try:
    from sklearn.datasets import load_digits
    from threadpoolctl import threadpool_limits  # scikit-learn needs it, too
except ImportError:
    sys.exit("the digits come with scikit-learn, which is missing: python -m pip install scikit-learn")

HERE = Path(__file__).parent

Array = Any
Params = dict[str, Array]


def digits(rng: Any) -> tuple[Array, Array, Array, Array]:
    """Images [n, 8, 8] and labels to learn from, and those that are held out."""
    found = load_digits()
    images, labels = found.images / 16, found.target
    order = rng.permutation(len(labels))
    held, rest = np.split(order, [len(order) // 5])
    return images[rest], labels[rest], images[held], labels[held]


def moved(images: Array, rng: Any) -> Array:
    """About half of the images moved by up to one pixel in both directions; what comes in from outside is empty."""
    framed = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    rows, columns = np.where(rng.random((len(images), 1)) < 0.5, 1, rng.integers(0, 3, size=(2, len(images), 1)))
    steps = np.arange(8)
    return framed[np.arange(len(images))[:, None, None], (rows + steps)[:, :, None], (columns + steps)[:, None]]


def batches(count: int, size: int, rng: Any) -> Iterator[Array]:
    """Places of all images in a new order, some at a time; the last batch may be smaller."""
    order = rng.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]


class Adam:
    """Steps along gradients, each divided by the size that it usually has."""

    def __init__(self, params: Params, rate: float) -> None:
        self.params, self.rate, self.count = params, rate, 0
        self.means = {name: np.zeros_like(value) for name, value in params.items()}
        self.squares = {name: np.zeros_like(value) for name, value in params.items()}

    def step(self, gradients: Params, share: float) -> None:
        """Change the params in place, by ``share`` of the full rate."""
        self.count += 1
        for name, gradient in gradients.items():
            mean, square = self.means[name], self.squares[name]
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            # Both start at zero; this is what they would be had they run for ever.
            size = np.sqrt(square / (1 - 0.999**self.count)) + 1e-8
            self.params[name] -= share * self.rate * mean / (1 - 0.9**self.count) / size


def train(options: argparse.Namespace) -> tuple[float, list[tuple[float, float]]]:
    """The share of held-out digits that is read right in the end, and the losses after each epoch: seen, held out."""
    rng = np.random.default_rng(options.seed)
    images, labels, held_images, held_labels = digits(rng)
    held = {"X": held_images.reshape(-1, 64), "class": held_labels}

    # One compiled model for every size: batches, the last batch, the held-out digits.
    model = gradc.load(HERE / "two_layer_network.grad")
    gradient = model.value_and_grad("L")
    h = options.hidden
    params = {
        "W1": rng.normal(size=(64, h)) * np.sqrt(2 / 64),
        "b1": np.zeros(h),
        "W2": rng.normal(size=(h, 10)) * np.sqrt(2 / h),
        "b2": np.zeros(10),
    }
    adam = Adam(params, options.rate)

    def epoch(share: float) -> float:
        """Show every digit once; the mean loss meanwhile."""
        total = 0.0
        for chosen in batches(len(labels), options.batch, rng):
            pixels = moved(images[chosen], rng).reshape(len(chosen), 64)
            loss, gradients = gradient({"X": pixels, "class": labels[chosen], **params})
            total += loss * len(chosen)
            adam.step(gradients, share)
        return total / len(labels)

    losses: list[tuple[float, float]] = []
    console = Console()
    console.print(f"{len(labels)} digits to learn from, {len(held_labels)} held out")
    bar = BarColumn(), MofNCompleteColumn(), TextColumn("epochs"), TimeElapsedColumn(), TextColumn("{task.description}")
    # The matrices are small: several threads would spend their time waiting for each other.
    with threadpool_limits(1), Progress(*bar, console=console) as progress:
        task = progress.add_task("", total=options.epochs)
        for number in range(options.epochs):
            # Shorter steps towards the end.
            losses.append((epoch(1 - number / options.epochs), model({**held, **params})["L"]))
            description = "loss {:.4f}, held out {:.4f}".format(*losses[-1])
            progress.update(task, advance=1, description=description)
        right = model({**held, **params})["correct"]
    share = right / len(held_labels)
    console.print(f"{100 * share:.1f} % of the held-out digits are read right ({right:.0f} of {len(held_labels)})")
    return share, losses


# The picture ---------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 64, 120, 40, 48
COLOURS = {"seen": "#2563eb", "held out": "#c2410c"}


def drawing(losses: list[tuple[float, float]]) -> str:
    """The losses over the epochs as SVG, on a logarithmic scale."""
    values = np.log10(np.maximum(losses, 1e-6))
    marks = [factor * 10.0**power for power in range(-6, 4) for factor in (1, 2, 5)]
    below = max(mark for mark in marks if np.log10(mark) <= values.min())
    above = min(mark for mark in marks if np.log10(mark) > values.max())
    low, high = np.log10([below, above])

    def place(epoch: float, value: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / max(len(losses) - 1, 1)
        return across, TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
        ' font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" font-size="15">Cross entropy of handwritten digits</text>',
    ]
    for mark in marks:
        if below <= mark <= above:
            x, y = place(1, np.log10(mark))
            parts.append(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#d4d4d4"/>')
            parts.append(f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{mark:g}</text>')
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 10**9) if len(losses) / s <= 8)
    for epoch in sorted({1, *range(step, len(losses) + 1, step)}):
        x, y = place(epoch, low)
        parts.append(f'<text x="{x:.1f}" y="{y + 20:.1f}" text-anchor="middle">{epoch}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">epoch</text>')
    # The names stand at the ends of their curves, apart from each other.
    ends = {name: place(len(losses), values[-1, k])[1] for k, name in enumerate(COLOURS)}
    upper, lower = sorted(ends, key=lambda name: ends[name])
    ends[lower] = max(ends[lower], ends[upper] + 16)
    for k, (name, colour) in enumerate(COLOURS.items()):
        points = " ".join("{:.1f},{:.1f}".format(*place(epoch, value)) for epoch, value in enumerate(values[:, k], 1))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{ends[name] + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    """Read the options, train, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=200, help="how often all digits are seen (default %(default)s)")
    parser.add_argument("--hidden", type=int, default=256, help="how many hidden units (default %(default)s)")
    parser.add_argument("--batch", type=int, default=64, help="how many digits a step looks at (default %(default)s)")
    parser.add_argument("--rate", type=float, default=0.002, help="how long a step is (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is random (default %(default)s)")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the losses into this file")
    options = parser.parse_args()
    if options.plot and options.plot.suffix != ".svg":
        parser.error(f"the picture is an SVG: give --plot a name that ends in .svg, not {options.plot.name}")
    if options.plot and not options.plot.absolute().parent.is_dir():
        parser.error(f"there is no folder {options.plot.parent} for the picture")
    if min(options.epochs, options.hidden, options.batch) < 1:
        parser.error("--epochs, --hidden and --batch are at least 1")
    _, losses = train(options)
    if options.plot:
        options.plot.write_text(drawing(losses), "utf-8")
        print(f"the losses are drawn in {options.plot}")


if __name__ == "__main__":
    main()
