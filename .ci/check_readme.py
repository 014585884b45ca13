"""What the README says that its first command prints is what it prints.

usage: check_readme.py README.md OUTPUT REPORT

OUTPUT is what the command printed with REPORT as its report folder. Every line of the block stands in it, in order; `...`
stands for lines that the README leaves out.
"""

import pathlib
import sys

readme, output, report = sys.argv[1:]
block = pathlib.Path(readme).read_text().split("```console\n", 1)[1].split("```", 1)[0].splitlines()
printed = iter(pathlib.Path(output).read_text().replace(report, "report").splitlines())
said = [line for line in block[1:] if line.strip() not in ("", "...")]
for number, line in enumerate(said, 1):
    if line not in printed:
        sys.exit(f"{readme} says that its first command prints this, and it does not, or not there:\n{line}")
if not block[0].startswith("$ cargo run -- ") or len(said) < 20:
    sys.exit(f"{readme} no longer begins with its first command and what that prints: {block[:2]}")
print(f"{len(said)} lines of the README stand in what its first command prints")
