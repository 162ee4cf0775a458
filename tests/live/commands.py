"""``oidc-bridge`` as an operator calls it: each time a process of its own.

They are forked from a process that has loaded the packages already, because to start Python and
load them takes longer than most commands do.
"""

import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess

_LOADED = multiprocessing.get_context("forkserver")
_LOADED.set_forkserver_preload(["pytest", "oidc_bridge.cli", __name__])


def run_command(
    program: str, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str]
) -> CompletedProcess[str]:
    """Do what ``python -m program …`` does; return how it ended and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, name) for name in ("stdout", "stderr")]
        process = _LOADED.Process(target=_be, args=(program, arguments, cwd, dict(env), places))
        process.start()
        process.join()
        out, err = (place.read_text() for place in places)
    assert process.exitcode is not None
    return CompletedProcess(arguments, process.exitcode, out, err)


def _be(
    program: str,
    arguments: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    places: Sequence[Path],
) -> None:
    for number, place in enumerate(places, start=1):  # standard output is 1
        os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [program, *arguments]
    runpy.run_module(program, run_name="__main__", alter_sys=True)
