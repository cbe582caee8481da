"""Memory that is used again is not fetched from the system again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource
import sys

import torch

from nnunetv2_raemd.freed_memory import keep_freed_memory

torch.set_num_threads(1)
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for n_done in range(30):
    if n_done == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    x = [torch.ones(2**19) for _ in range(40)]  # 40 blocks of 2 MiB
    del x
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


# What the library does of itself depends on what lies at the end of the heap; so it is told to give all back.
GIVES_BACK = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


def page_faults(how: str) -> int:
    run = [sys.executable, "-c", COUNT_FAULTS, how]
    variables = {**os.environ, **GIVES_BACK}
    return int(subprocess.run(run, check=True, capture_output=True, text=True, env=variables).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the GNU C library has the setting")
def test_memory_that_is_kept_costs_no_page_faults() -> None:
    assert page_faults("keep") < 200 < page_faults("as it is")
