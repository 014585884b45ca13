"""Draws benches/scale.csv as benches/scale.svg: `python benches/scale_plot.py` (needs matplotlib)."""

import csv
import pathlib

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "retrial", "font.size": 9})
import matplotlib.pyplot as plt  # noqa: E402

HERE = pathlib.Path(__file__).parent
PANELS = [
    ("events", "events"),
    ("principals", "principals (300,000 events)"),
    ("statements", "statements of a policy that all share"),
    ("candidates", "candidates"),
]


def main():
    rows = list(csv.DictReader((HERE / "scale.csv").open()))
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4))
    for axis, (curve, title) in zip(axes.flat, PANELS):
        points = [row for row in rows if row["curve"] == curve]
        sizes = [int(row["size"]) for row in points]
        axis.plot(sizes, [float(row["cpu_seconds"]) for row in points], "o-", color="#1f5f99", label="CPU seconds")
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel(title)
        axis.set_ylabel("CPU seconds", color="#1f5f99")
        axis.grid(True, which="major", alpha=0.25)
        memory = axis.twinx()
        memory.plot(sizes, [int(row["memory_mb"]) for row in points], "s--", color="#b3541e", label="peak memory, MB")
        memory.set_ylabel("MB", color="#b3541e")
        memory.set_ylim(0, 1.15 * max(int(row["memory_mb"]) for row in points))
    figure.suptitle("retrial replay: CPU (solid) and peak memory (dashed) of the whole process")
    figure.tight_layout()
    figure.savefig(HERE / "scale.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
