"""The bench is run by hand and seldom: whether it still can be."""

import subprocess
import sys
from pathlib import Path


def test_each_part_of_the_bench_still_runs() -> None:
    root = Path(__file__).parents[2]
    ran = subprocess.run([sys.executable, "-m", "tests.bench.small"], cwd=root, capture_output=True, timeout=300)
    assert ran.returncode == 0, ran.stderr.decode()
    titles = [line for line in ran.stdout.decode().splitlines() if line.startswith("## ")]
    assert len(titles) == 6
