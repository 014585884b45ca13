#!/usr/bin/env python3
"""Runs the notebooks on a report folder, and checks what they show against its manifest.

    check_notebooks.py REPORT [--write]

REPORT is what `retrial replay -o` wrote. The notebooks run in a copy that goes away; `--write` puts the outputs into
the files of the repository, for a report of the shipped data.

Prints one line for each notebook, then every failure. Exit code 1 if there is one.
Needs the packages of notebooks/requirements.txt.
"""

import argparse
import html.parser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
except ImportError as error:
    sys.exit(f"{error}; install what notebooks/requirements.txt lists: pip install -r notebooks/requirements.txt")

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
NAMES = ["01-access-changes", "02-unused-access", "03-compare-candidates"]
MOST_BYTES = 400_000
SECONDS = 300  # for one cell
CHANGES = [
    "lost",
    "gained",
    "potentially_lost",
    "potentially_gained",
    "unchanged_allowed",
    "unchanged_denied",
    "unchanged_unknown",
    "undetermined",
    "baseline_contradicted",
]
COUNTS = "Events by change"  # how the caption of the table begins that must be as the manifest
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class Tables(html.parser.HTMLParser):
    """The tables of a page, each as its caption and its rows."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.text = None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.found.append(("", []))
        elif tag == "tr" and self.found:
            self.found[-1][1].append([])
        elif tag in ("caption", "th", "td"):
            self.text = ""

    def handle_data(self, data):
        if self.text is not None:
            self.text += data

    def handle_endtag(self, tag):
        if tag == "caption" and self.found:
            self.found[-1] = (self.text, self.found[-1][1])
        elif tag in ("th", "td") and self.found and self.found[-1][1]:
            self.found[-1][1][-1].append(self.text)
        if tag in ("caption", "th", "td"):
            self.text = None


def run(path, report):
    """The notebook with its outputs, or what went wrong and in which cell."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # Nothing of whoever runs this: no profile, no matplotlib settings.
    scratch = path.parent
    env = dict(
        os.environ,
        RETRIAL_REPORT=str(report),
        IPYTHONDIR=str(scratch / "ipython"),
        MPLCONFIGDIR=str(scratch / "matplotlib"),
    )
    env.pop("MPLBACKEND", None)
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(scratch)}},
    )
    try:
        client.execute(env=env, stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        where, cell = next(
            (at, cell)
            for at, cell in enumerate(notebook.cells)
            if any(of.output_type == "error" for of in cell.get("outputs", []))
        )
        return None, f"cell {where} ({cell.id}): {error.ename}: {ESCAPES.sub('', error.evalue)}"
    except (CellTimeoutError, DeadKernelError) as error:
        where = next((at for at, cell in reversed(list(enumerate(notebook.cells))) if cell.get("execution_count")), 0)
        return None, f"in or after cell {where} ({notebook.cells[where].id}): {str(error).splitlines()[0]}"
    return notebook, None


def outputs(notebook):
    """Each output of a code cell: where it is, its kind, and what it says."""
    for at, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            place = f"cell {at} ({cell.id})"
            if output.output_type == "stream":
                yield place, output.name, output.text
            elif output.output_type == "error":
                yield place, "error", "\n".join(output.traceback)
            else:
                for kind, data in output.data.items():
                    yield place, kind, data if isinstance(data, str) else json.dumps(data)


def number(text):
    text = text.replace(",", "")
    return int(text) if text.isdecimal() else text


def check_counts(found, manifest):
    """The table of events by change is that of the manifest."""
    tables = [
        rows
        for _, kind, text in found
        if kind == "text/html"
        for caption, rows in Tables(text).found
        if caption.startswith(COUNTS)
    ]
    if len(tables) != 1:
        yield f"{len(tables)} tables `{COUNTS}` instead of one"
        return
    head, *rows = tables[0]
    shown = {row[0]: dict(zip(head[1:], map(number, row[1:]), strict=True)) for row in rows}
    wanted = {
        candidate["name"]: {change.replace("_", " "): candidate["events"][change] for change in CHANGES}
        | {"replayed": manifest["counts"]["replayed"]}
        for candidate in manifest["candidates"]
    }
    for candidate in sorted(wanted.keys() | shown.keys()):
        if shown.get(candidate) != wanted.get(candidate):
            yield f"{candidate}: shows {shown.get(candidate)}, manifest.json has {wanted.get(candidate)}"


def check(notebook, manifest, private):
    found = list(outputs(notebook))
    yield from check_counts(found, manifest)
    for place, kind, text in found:
        if kind == "image/png":
            continue
        if "Traceback" in text:
            yield f"{place}: a traceback in the output"
        if kind in ("stderr", "error"):
            yield f"{place}: {text.strip().splitlines()[-1] if text.strip() else kind}"
        for path in private:
            if path in text:
                yield f"{place}: the path {path} in the output"
    # A report in which something is lost has enough for two pictures in each notebook.
    images = sum(kind == "image/png" for _, kind, _ in found)
    if images < 2 and any(candidate["events"]["lost"] for candidate in manifest["candidates"]):
        yield f"{images} pictures instead of two or more"


def clean(notebook):
    """Without what differs between machines."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return nbformat.writes(notebook, indent=1) + "\n"


def check_sources():
    """What must hold of the files without running them."""
    first = {}
    for name in NAMES:
        path = NOTEBOOKS / f"{name}.ipynb"
        if not path.is_file():
            yield f"{name}: there is no such notebook"
            continue
        if path.stat().st_size > MOST_BYTES:
            yield f"{name}: {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        first[name] = next((cell.source for cell in notebook.cells if cell.cell_type == "code"), "")
    if len(set(first.values())) > 1:
        yield "the first cells of the notebooks differ: what they share must be the same"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("--write", action="store_true", help="write the outputs into the notebooks of the repository")
    arguments = parser.parse_args()
    report = arguments.report.resolve()
    try:
        manifest = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"{arguments.report}: no report: {error}")

    failures, executed = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        private = [str(report), str(NOTEBOOKS.parent), scratch] if arguments.write else [scratch]
        for name in NAMES:
            source = NOTEBOOKS / f"{name}.ipynb"
            if not source.is_file():
                continue  # check_sources says so
            notebook, failure = run(Path(shutil.copy(source, scratch)), report)
            if failure is None:
                wrong = list(check(notebook, manifest, private))
                images = sum(kind == "image/png" for _, kind, _ in outputs(notebook))
                text = clean(notebook)
                executed[name] = text
                if arguments.write and len(text.encode()) > MOST_BYTES:
                    wrong.append(f"{len(text.encode()):,} bytes, more than {MOST_BYTES:,}")
                cells = sum(cell.cell_type == "code" for cell in notebook.cells)
                print(
                    f"{name}: {cells} cells, {images} pictures, {len(text.encode()) // 1000} kB: {'ok' if not wrong else 'FAILED'}"
                )
            else:
                wrong = [failure]
                print(f"{name}: FAILED")
            failures += [f"{name}: {each}" for each in wrong]
    if arguments.write and not failures:
        for name, text in executed.items():
            (NOTEBOOKS / f"{name}.ipynb").write_text(text, encoding="utf-8", newline="\n")
    failures += check_sources()
    for failure in failures:
        print(f"  - {failure}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
