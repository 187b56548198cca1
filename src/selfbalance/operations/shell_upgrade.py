"""The shell commands of an upgrade: marks, versions, packages there and back, a reboot."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from enum import Enum

from selfbalance.desired import places


def write_mark(line: str) -> str:
    """Write this node's part in an upgrade to the node itself: whole, and for good."""
    file = places.UPGRADE
    return (
        f"set -e; umask 077; mkdir -p {file.rpartition('/')[0]}; "
        f"printf '%s\\n' {shlex.quote(line)} >{file}.new; sync {file}.new; "
        f"mv -f {file}.new {file}; sync {file.rpartition('/')[0]}"
    )


def clear_mark() -> str:
    """Forget this node's part in an upgrade."""
    return f"rm -f {places.UPGRADE}"


class Lists(Enum):
    """Which package lists a node is asked by: a dry run fetches new ones, and changes none."""

    AS_THEY_ARE = ""
    # apt waits for no other that fetches lists: apt-daily.timer, or a second run of ours.
    FETCHED = (
        "tries=0; "
        "until said=$(apt-get update -qq -o APT::Update::Error-Mode=any 2>&1 >/dev/null); do "
        "tries=$((tries + 1)); "
        'case "$tries $said" in 61*) ;; *"Could not get lock"*) sleep 1; continue ;; esac; '
        "printf '%s\\n' \"$said\" >&2; exit 1; done; "
    )
    FETCHED_APART = (
        'apart=$(mktemp -d) || exit 1; trap \'rm -rf "$apart"\' EXIT; mkdir -p "$apart/partial"; '
        'printf \'Dir::State::Lists "%s";\\nDir::Cache::pkgcache "";\\nDir::Cache::srcpkgcache "";'
        '\\nAPT::Sandbox::User "root";\\n\' "$apart" >"$apart.conf"; '
        'export APT_CONFIG="$apart.conf"; trap \'rm -rf "$apart" "$apart.conf"\' EXIT; '
        "apt-get update -qq -o APT::Update::Error-Mode=any >/dev/null || exit 1; "
    )


def ask_versions(packages: Iterable[str], lists: Lists) -> str:
    """Print what is installed of some packages, what apt would install, and what there is.

    New package lists have to be fetched, or it fails.
    """
    return (
        f"export LC_ALL=C; {lists.value}for each in {_words(packages)}; do "
        "dpkg-query -W -f '${Package} ${db:Status-Abbrev} ${Version}\\n' \"$each\" 2>/dev/null | "
        "awk '$2 ~ /^[ih]i/ { print $1, \"installed\", $3 }'; "
        'apt-cache policy "$each" | '
        'awk -v each="$each" \'/Candidate:/ { print each, "candidate", $2 }\'; '
        'apt-cache madison "$each" | awk -v each="$each" \'{ print each, "available", $3 }\'; '
        "done"
    )


UNIT = "selfbalance-upgrade.service"
"""The transient unit that acts: it outlives the ssh connection that has started it."""


def fetch(versions: Mapping[str, str]) -> str:
    """Download packages in these versions, and whatever they need; install nothing.

    Clients go first: the node serves meanwhile.
    """
    return (
        "DEBIAN_FRONTEND=noninteractive LC_ALL=C nice apt-get -q -y --download-only "
        "-o DPkg::Lock::Timeout=120 --allow-downgrades --no-install-recommends install "
        f"{_words(f'{name}={version}' for name, version in versions.items())} </dev/null"
    )


def install(versions: Mapping[str, str], patience_s: int = 900) -> str:
    """Install packages in these versions, older ones too, in a unit of its own.

    A run that was killed leaves the unit at work: the next one waits for it first. What a power
    loss has cut in the middle is mended before.
    """
    some = _words(f"{name}={version}" for name, version in versions.items())
    apt = (
        "dpkg --configure -a && apt-get -q -y -o Dpkg::Options::=--force-confold "
        "-o DPkg::Lock::Timeout=120 --allow-downgrades --no-install-recommends install "
        f"{some} </dev/null"
    )
    return in_a_unit(apt, patience_s)


def keep_packages(versions: Mapping[str, str]) -> str:
    """Keep the packages of these versions on the node, for a way back; what there is of them.

    What a run that was interrupted has kept stays: apt may have forgotten that version by now.
    """
    folder = places.ROLLBACK
    files = {f"{name}={version}": _file(name, version) for name, version in versions.items()}
    others = " ".join(f"! -name {shlex.quote(each)}" for each in files.values())
    keep = "; ".join(
        f"apt-get -q download {shlex.quote(each)} || ls {_glob(file)} >/dev/null 2>&1 || "
        f"echo {shlex.quote(f'{each} is in no package list: it could not be put back')} >&2"
        for each, file in files.items()
    )
    return (
        f"set -e; umask 077; mkdir -p {folder}; cd {folder}; "
        f"find . -type f {others} -delete; {keep or ':'}"
    )


def _file(name: str, version: str) -> str:
    """Return what apt calls the file of a package, whatever its architecture is."""
    return f"{name}_{version.replace(':', '%3a')}_*.deb"


def _glob(pattern: str) -> str:
    """Return a pattern as a word that a shell completes: all of it but the star is plain."""
    return "*".join(shlex.quote(each) for each in pattern.split("*"))


def beside_kept(command: str) -> str:
    """Return a component's command, which knows in `$kept` where to keep what leads back."""
    return f"kept={places.ROLLBACK}; umask 077; mkdir -p $kept; {command}"


def put_back(
    versions: Mapping[str, str], units: Iterable[str], restore: str = "", patience_s: int = 900
) -> str:
    """Install the kept packages again, restore what was kept beside them, and start these units."""
    folder = places.ROLLBACK
    install_kept = (
        "dpkg --configure -a; apt-get -q -y -o Dpkg::Options::=--force-confold "
        "-o DPkg::Lock::Timeout=120 --allow-downgrades --no-install-recommends install "
        f"$(ls {folder}/*.deb 2>/dev/null) </dev/null"
    )
    starts = "".join(
        f"; systemctl reset-failed {unit} 2>/dev/null; systemctl restart {unit} || started=1"
        for unit in map(shlex.quote, units)
    )
    checks = "".join(_kept(name, version) for name, version in versions.items())
    kept = f"; ( {beside_kept(restore)}\n) || exit 1" if restore else ""
    return f"{checks}{in_a_unit(install_kept, patience_s)}{kept}; started=0{starts}; exit $started"


def _kept(name: str, version: str) -> str:
    """Fail unless a package is kept in this version, or is installed in it still."""
    file = f"{places.ROLLBACK}/{_glob(_file(name, version))}"
    installed = f"dpkg-query -W -f '${{db:Status-Status}} ${{Version}}' {shlex.quote(name)}"
    told = shlex.quote(f"nothing is kept of {name} {version}: it cannot be put back")
    return (
        f"ls {file} >/dev/null 2>&1 || "
        f'[ "$({installed} 2>/dev/null)" = {shlex.quote(f"installed {version}")} ] || '
        f"{{ echo {told} >&2; exit 1; }}; "
    )


def in_a_unit(script: str, patience_s: int) -> str:
    """Run a script in a unit that outlives the connection; a former one is waited for first."""
    log, unit = places.UPGRADE_LOG, UNIT
    return (
        "set -u; tries=0; "
        f"while systemctl is-active -q {unit}; do tries=$((tries + 1)); "
        f"[ $tries -le {patience_s} ] || {{ echo '{unit} does not end' >&2; exit 1; }}; "
        "sleep 1; done; "
        f"systemctl reset-failed {unit} 2>/dev/null; umask 077; : >>{log}; "
        f"systemd-run --quiet --collect --wait --unit={unit} "
        f"-p StandardOutput=append:{log} -p StandardError=append:{log} "
        f"-p TimeoutStartSec={patience_s} -p RuntimeMaxSec={patience_s} "
        "-E DEBIAN_FRONTEND=noninteractive -E LC_ALL=C "
        f"sh -c {shlex.quote(script)} || {{ tail -n 15 {log} >&2; exit 1; }}"
    )


def reboot() -> str:
    """Reboot in a second, and let the connection go before."""
    return "(sleep 1; systemctl reboot) </dev/null >/dev/null 2>&1 &"


def booted(patience_s: int) -> str:
    """Wait until what starts at boot has started, or has failed: that is for the gates to judge."""
    return f"timeout {patience_s} systemctl is-system-running --wait >/dev/null 2>&1 || true"


def boot_id() -> str:
    """Print the id of this boot (random(4), boot_id)."""
    return "cat /proc/sys/kernel/random/boot_id"


def _words(values: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, values))
