"""The demo's builds and recipe, put where an installation looks for them."""

from __future__ import annotations

import gzip
import io
import random
import shutil
import tarfile
from pathlib import Path
from typing import Final

VERSIONS: Final = ("1.41.2", "1.42.0", "1.42.1", "1.43.0")
RECIPE: Final = "update-game-server"
DRILL_RECIPE: Final = "drill"
# Big enough that an upload shows progress, small enough for 200 hosts on one machine.
BUILD_BYTES: Final = 192 * 1024
PARTS: Final = ("bin/server", "data/worlds.pak", "data/scripts.pak", "data/语言包.pak", "config/defaults.ini")


def build(version: str) -> bytes:
    """A build's archive; the same version gives the same bytes on every machine."""
    rng = random.Random(version)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        manifest = "".join(f"{part} {rng.getrandbits(32):08x}\n" for part in PARTS)
        contents = {"MANIFEST": manifest.encode(), "VERSION": f"{version}\n".encode()}
        contents |= {part: rng.randbytes(BUILD_BYTES // len(PARTS)) for part in PARTS}
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if name.startswith("bin/") else 0o644
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), compresslevel=1, mtime=0)


def put_recipe(home: Path, name: str) -> None:
    """Put one of our recipes into the installation's folder, unless it is there already."""
    recipe = home / "recipes" / f"{name}.yml"
    if not recipe.exists():
        recipe.parent.mkdir(parents=True, exist_ok=True)
        unfinished = recipe.with_suffix(".new")
        shutil.copyfile(Path(__file__).parent / "recipes" / recipe.name, unfinished)
        unfinished.rename(recipe)


def put_files(home: Path) -> None:
    """Put the recipe and the builds into the installation's folders, unless they are there already."""
    put_recipe(home, RECIPE)
    files = home / "files"
    files.mkdir(parents=True, exist_ok=True)
    for version in VERSIONS:
        archive = files / f"game-{version}.tar.gz"
        if not archive.exists():
            unfinished = archive.with_suffix(".new")
            unfinished.write_bytes(build(version))
            unfinished.rename(archive)
