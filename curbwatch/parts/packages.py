"""Debian's own signed packages, unpacked into a private folder and started through their own loader.

Nothing on the system is upgraded and no root is needed: apt works on a private state, dpkg-deb unpacks, and small
wrappers start each program through the unpacked libc (why not LD_LIBRARY_PATH: child shells would inherit it).
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from schemas.errors import SetupError

SUITE = "trixie"  # Debian 13: the first release with TimescaleDB, and with Mosquitto that keeps MQTT flow control
# The last one is for docs/device.sh and its test; a folder fetched before it was listed goes without.
PACKAGES = ("postgresql-17-timescaledb", "mosquitto", "valkey-server", "mosquitto-clients")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Dependencies of maintainer scripts and of JIT compilation only; the servers run without them.
NOT_NEEDED = re.compile(r"^(libllvm|perl|libperl|locales|libc-l10n|libc-dev|.*-dev$|.*-perl$)")
POSTGRES_BIN = "usr/lib/postgresql/17/bin"
PROGRAMS = (
    *(f"{POSTGRES_BIN}/{name}" for name in ("postgres", "initdb", "pg_ctl", "psql", "pg_dump", "pg_restore")),
    "usr/sbin/mosquitto",
    "usr/bin/valkey-server",
    "usr/bin/mosquitto_pub",
    "usr/bin/mosquitto_sub",
)

BEGUN = frozenset({"apt", "root"})  # all that a killed first time leaves

Progress = Callable[[str], None]


def ensure_packages(folder: Path, progress: Progress) -> Path:
    """Return the root of the unpacked packages below ``folder``; fetch and unpack them the first time.

    A half-made folder is made anew. The caller holds the lock. Raises SetupError with the remedy.
    """
    root = folder / "root"
    if (folder / "complete").is_file():
        return root
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            message = (
                f"{program} is missing: this is not a Debian-like system. Name your own servers in the configuration: "
                "TimescaleDB (database.url_file), Mosquitto >= 2.0.21 (broker.url), Redis or Valkey (redis.url_file)"
            )
            raise SetupError(message)
    if not KEYRING.is_file():
        raise SetupError(f"{KEYRING} is missing. Install it: apt-get install debian-archive-keyring")
    if folder.is_dir() and {path.name for path in folder.iterdir()} - BEGUN:
        raise SetupError(f"{folder} holds other things than our packages: set CURBWATCH_HOME to another folder")
    shutil.rmtree(folder, ignore_errors=True)
    root.mkdir(parents=True, mode=0o755)
    apt = folder / "apt"
    environment = _private_apt(apt)
    progress(f"fetching {', '.join(PACKAGES)} from Debian {SUITE} (about 60 MB, once)")
    _run(["apt-get", "-qq", "update"], environment, "the package lists cannot be fetched")
    plan = _run(
        ["apt-get", "-qq", "--print-uris", "-y", "install", *PACKAGES], environment, "the packages are not offered"
    )
    names = sorted(
        {name for name in re.findall(r"^'[^']*' ([^_ ]+)_", plan, re.MULTILINE) if not NOT_NEEDED.match(name)}
    )
    if not names:
        raise SetupError(f"apt offers none of {', '.join(PACKAGES)}: is a Debian mirror configured in /etc/apt?")
    archives = apt / "cache" / "archives"
    _run(["apt-get", "-qq", "download", *names], environment, "a package cannot be fetched", cwd=archives)
    progress("unpacking")
    for archive in sorted(archives.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(archive), str(root)], environment, f"{archive.name} cannot be unpacked")
    # No LLVM was fetched: with the library present a costly query would die looking for it.
    (root / "usr/lib/postgresql/17/lib/llvmjit.so").unlink(missing_ok=True)
    _wrap_programs(root)
    shutil.rmtree(apt)
    (folder / "complete").write_text("\n".join(names) + "\n")
    return root


def _private_apt(apt: Path) -> dict[str, str]:
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    environment = os.environ | {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    query = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    mirror = ""
    for line in _run(query, environment, "apt's sources cannot be read").splitlines():
        address, _, release = line.partition(" ")
        if "-" not in release and re.search(r"debian/?$", address):
            mirror = address
            break
    if not mirror:
        raise SetupError("no Debian mirror found in /etc/apt/sources.list*: add one and try again")
    (apt / "parts" / f"{SUITE}.sources").write_text(
        f"Types: deb\nURIs: {mirror}\nSuites: {SUITE}\nComponents: main\nSigned-By: {KEYRING}\n"
    )
    conf = apt / "conf"
    conf.write_text(
        f'Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "{apt}/parts";\n'
        'Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "/dev/null";\n'
        f'Dir::State "{apt}"; Dir::State::status "{apt}/status"; Dir::State::lists "{apt}/lists";\n'
        f'Dir::Cache "{apt}/cache"; APT::Install-Recommends "0"; APT::Sandbox::User "root";\n'
        'Acquire::Languages "none"; Acquire::Retries "3"; Debug::NoLocking "1";\n'
    )
    return environment | {"APT_CONFIG": str(conf)}


def _run(argv: list[str], environment: dict[str, str], trouble: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(argv, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"{trouble}: {argv[0]} did not finish in 10 minutes; check the network and try again"
        ) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-800:]
        message = f"{trouble}. Is the network there, and /etc/apt right? {argv[0]} says:\n{said}"
        raise SetupError(message)
    return done.stdout


def _wrap_programs(root: Path) -> None:
    libraries = sorted(folder for folder in (root / "usr/lib").glob("*-linux-gnu*") if folder.is_dir())
    loaders = [loader for folder in libraries for loader in folder.glob("ld-linux*.so.*")]
    if not loaders:
        raise SetupError(f"the unpacked packages under {root} hold no loader; remove the folder and try again")
    for name in PROGRAMS:
        program = root / name
        if not program.is_file():
            raise SetupError(f"{program} is missing after unpacking; remove {root.parent} and try again")
        binary = program.with_name(program.name + ".bin")
        # valkey-server is a link to a shared binary: keep the name, take the file.
        shutil.copy2(program.resolve(), binary)
        program.unlink()
        words = [str(loaders[0]), "--argv0", str(program), "--library-path", str(loaders[0].parent), str(binary)]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)
