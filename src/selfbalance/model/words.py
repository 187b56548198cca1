"""The words a description may use: typed so that no value can leave its place.

A value of the model ends up in keepalived.conf, in a unit file or in a shell command. Each type
here admits only characters that mean nothing there: no white space, quotes, braces, `$`, `#`, `!`,
`@` or `~` (keepalived.conf(5), "CONFIGURATION FILE" and "PARAMETER SUBSTITUTION").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

IPAddress = IPv4Address | IPv6Address
T = TypeVar("T")
K = TypeVar("K")


def _ordered(value: object) -> object:
    if isinstance(value, set | frozenset):
        raise ValueError("is a set, whose order differs from run to run; write a list")
    return value


Listed = Annotated[tuple[T, ...], BeforeValidator(_ordered)]
"""Things in the order of the description: it decides, for instance, who is MASTER first."""


class Fixed(dict[K, T]):
    """A mapping that cannot change, as all that is described; so it has a hash."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type, tuple[dict[K, T]]]:
        return Fixed, (dict(self),)

    def _refuse(self, *_args: object, **_values: object) -> NoReturn:
        raise TypeError("what is described cannot change")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


Pairs = Annotated[Mapping[K, T], AfterValidator(Fixed)]
"""Things by name."""


_LONGEST = 60
"""Of a wrong value, in a message."""


def _matching(pattern: str, what: str, example: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(word: str) -> str:
        if not compiled.fullmatch(word):
            shown = word if len(word) <= _LONGEST else f"{word[:_LONGEST]}..."
            raise ValueError(f"{shown!r} is not {what}; write something like {example!r}")
        return word

    return check


def _address(value: object) -> IPAddress:
    """Read an address; refuse what no interface of a node can hold as its own."""
    if isinstance(value, IPv4Address | IPv6Address):
        address: IPAddress = value
    else:
        try:
            address = ip_address(str(value))
        except ValueError:
            raise ValueError(
                f"{str(value)[:_LONGEST]!r} is not an IP address; "
                "write one like '192.0.2.10' or '2001:db8::10', without a prefix length"
            ) from None
    if isinstance(address, IPv6Address) and address.scope_id:
        raise ValueError(f"{str(address)!r} names a zone; write the address without '%'")
    # Reserved are, among others, broadcast and IPv4 inside of IPv6, which every program writes its
    # own way.
    for wrong in ("unspecified", "loopback", "multicast", "link_local", "reserved"):
        if getattr(address, f"is_{wrong}"):
            kind = wrong.replace("_", "-")
            article = "an" if kind == "unspecified" else "a"
            raise ValueError(
                f"'{address}' is {article} {kind} address; write one that a network routes"
            )
    return address


Address = Annotated[IPAddress, BeforeValidator(_address)]
"""An IPv4 or IPv6 unicast address."""

Name = Annotated[
    str,
    AfterValidator(
        _matching(
            r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?",
            "a name (lower-case letters, digits and inner dashes, at most 30)",
            "web1",
        )
    ),
]
"""The name of a cluster, a node or a service. Short enough for every place it is used in."""

HostName = Annotated[
    str,
    AfterValidator(
        _matching(
            r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*",
            "a host name (labels of letters, digits and dashes, at most 253 characters)",
            "www.example.org",
        )
    ),
]

Interface = Annotated[
    str,
    AfterValidator(
        _matching(
            r"(?!(lo|all|default)\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,14}",
            "a network interface that adverts can leave by",
            "bond0",
        )
    ),
]
"""A network interface's name: at most 15 characters (Linux IFNAMSIZ).

keepalived refuses `lo`; `all` and `default` are the kernel's words, never an interface.
"""

PluginName = Annotated[
    str, AfterValidator(_matching(r"[a-z0-9]([a-z0-9-]{0,40})", "a plugin's name", "mh"))
]

UrlPath = Annotated[
    str,
    AfterValidator(
        _matching(r"/[A-Za-z0-9._/%?=&+,:-]{0,200}", "a path of a URL without spaces", "/health")
    ),
]

_PATH_OF_SYSTEM = re.compile(
    r"/(bin|boot|dev|etc|home|lib|lib32|lib64|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)"
    r"|/(dev|etc|proc|run|sys|tmp)/.*"
)


def _folder(path: str) -> str:
    """Refuse a folder that the system itself lives in, or that has another name besides."""
    if any(part in (".", "..") for part in path.split("/")):
        raise ValueError(f"{path!r} takes a detour; write it without '.' and '..'")
    if _PATH_OF_SYSTEM.fullmatch(path):
        raise ValueError(f"{path!r} is the system's own; write a folder like '/srv/shared'")
    return path


FolderPath = Annotated[
    str,
    AfterValidator(
        _matching(
            r"(?=.{1,200}\Z)(/[A-Za-z0-9._-]+)+",
            "an absolute path of a folder (letters, digits, '.', '_', '-')",
            "/srv/shared",
        )
    ),
    AfterValidator(_folder),
]
"""A folder on a node that is no part of the system."""

OptionName = Annotated[
    str,
    AfterValidator(
        _matching(
            r"[a-z][a-z0-9-]{0,30}\.[a-z][a-z0-9.-]{0,60}",
            "an option of a volume",
            "network.ping-timeout",
        )
    ),
]

OptionValue = Annotated[
    str,
    AfterValidator(
        _matching(r"[A-Za-z0-9._%:/,-]{1,200}", "an option's value, as text without spaces", "10")
    ),
]

Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Vrid = Annotated[int, Field(ge=1, le=255, strict=True)]
"""Virtual router identifier, 1 to 255 (RFC 5798, section 5.2.3)."""
