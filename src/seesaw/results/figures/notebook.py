"""Executes scripts in percent format as notebooks; the same results give the same bytes."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from seesaw.core import paths
from seesaw.core.secrets import masked
from seesaw.errors import UserError
from seesaw.spec.figures import COMMITTED, OUTPUT

TIMEOUT = 900  # seconds for each cell


def read(source: Path, parameters: dict[str, Any]) -> nbformat.NotebookNode:
    """Read a percent script as a notebook whose cell tagged ``parameters`` assigns these values.

    Raises:
        UserError: the script is missing or has no such cell.
    """
    try:
        notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    except OSError:
        raise UserError(f"{source} is missing; restore it from git.") from None
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise UserError(f"{source} has {len(tagged)} cells tagged parameters; give it one.")
    tagged[0].source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"  # the default is random
    notebook.metadata = _metadata()
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(
    source: Path,
    parameters: dict[str, Any],
    output: Path,
    failed: Path,
    reference: bool = False,
) -> None:
    """Run a percent script from the repository's root and write ``<output>/<stem>.ipynb``.

    `seesaw.results.figures.style.save` writes to ``output``, too. If a cell fails, the notebook is
    written to ``failed`` with its outputs. With ``reference`` the committed results are shown even
    where live ones exist.

    Raises:
        UserError: a cell failed, or did not end; the message is that of the cell's own error, if
            it has one.
    """
    notebook = read(source, parameters)
    # The path of a socket is limited to 107 bytes, which a cluster's long TMPDIR can exceed.
    with tempfile.TemporaryDirectory(dir="/tmp") as profile:
        # The output must depend neither on the user's own IPython settings nor on the time.
        settings = {OUTPUT: str(output.resolve()), "SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0"}
        settings |= {"IPYTHONDIR": profile, COMMITTED: "1" if reference else ""}
        # No TCP: other users of a login node could listen, and two kernels could share a port.
        kernel = AsyncKernelManager(transport="ipc", connection_file=f"{profile}/kernel.json")
        client = NotebookClient(
            notebook,
            km=kernel,
            timeout=TIMEOUT,
            record_timing=False,
            resources={"metadata": {"path": str(paths.ROOT.resolve())}},
        )
        client.owns_km = True  # so that the client shuts the kernel down
        try:
            client.execute(env=os.environ | settings)
        except CellExecutionError as error:
            failed.parent.mkdir(parents=True, exist_ok=True)
            _write(notebook, failed)
            if error.ename == UserError.__name__:
                raise UserError(error.evalue) from None
            print(re.sub(r"\x1b\[[0-9;]*m", "", masked(error)), file=sys.stderr)
            raise UserError(
                f"{source} failed ({error.ename}: {error.evalue}); the notebook is at {failed}."
            ) from None
        except (CellTimeoutError, DeadKernelError) as error:
            slow = isinstance(error, CellTimeoutError)
            fault = f"had a cell of more than {TIMEOUT} s" if slow else "lost its process"
            fix = "draw it on a machine with more memory, or that is less busy"
            raise UserError(f"{source} {fault}; {fix}.") from None
    for cell in notebook.cells:  # output printed by libraries contains this machine's paths
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if o.output_type != "stream"]
    _write(notebook, output / f"{source.stem}.ipynb")


def _metadata() -> nbformat.NotebookNode:
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return nbformat.from_dict({"kernelspec": kernel, "language_info": {"name": "python"}})


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    notebook.metadata = _metadata()  # the kernel wrote its version there
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
