"""Addresses as Go reads and writes them: ``host:port``, ``[ipv6]:port``, ``:port``, names of hosts and services."""

import asyncio
import os
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from faults.embedded.errors import ApiError

BACKLOG = 4096
NUMBER = re.compile(r"[+-]?[0-9]*")
NOT_A_NAME = re.compile(r"[0-9.]*|.*[^\x21-\x7e].*|.*\*.*")  # what Go asks no name server for
UNSPECIFIED = ("", "0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a proxy listens or dials.

    Attributes:
        host: IP address; empty: every interface, or this machine.
        port: 0: a free one.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def resolve(text: str) -> Address:
    """Return an address with its host looked up, IPv4 first; nothing is a free port. Raises ApiError 500."""
    host, service = split(text) if text else ("", "")
    number = port(service)
    return Address(await _ip(host) if host else "", number)


async def listener(text: str) -> socket.socket:
    """Listen on an address; raises ApiError 500."""
    try:
        address = await resolve(text)
    except ApiError as problem:
        raise ApiError(f"listen tcp: {problem.message}", 500) from None
    try:
        return _listen(address)
    except OSError as problem:
        reason = os.strerror(problem.errno).lower() if problem.errno else str(problem)
        raise ApiError(f"listen tcp {address}: bind: {reason}", 500) from None


def listening(sock: socket.socket) -> str:
    """Return the address that a socket listens on."""
    host, number = sock.getsockname()[:2]
    return str(Address(host, number))


def split(text: str) -> tuple[str, str]:
    """Return host and port of ``host:port``; raises ApiError 500."""
    host, colon, service = text.rpartition(":")
    problem = "" if colon else "missing port in address"
    if text.startswith("[") and colon:
        host, problem = _bracketed(text)
    elif ":" in host:
        problem = "too many colons in address"
    elif "[" in text or "]" in text:
        problem = f"unexpected '{'[' if '[' in text else ']'}' in address"
    if problem:
        raise ApiError(f"address {text}: {problem}", 500)
    return host, service


def _bracketed(text: str) -> tuple[str, str]:
    """Return the host of ``[host]:port``, and what is wrong with it."""
    inner, bracket, rest = text[1:].partition("]")
    if not bracket:
        return "", "missing ']' in address"
    if not rest.startswith(":"):
        return "", "missing port in address"
    if ":" in rest[1:]:
        return "", "too many colons in address"
    return inner, ""


def port(service: str) -> int:
    """Return the number of a port that is given as a number or as a service's name; raises ApiError 500."""
    if NUMBER.fullmatch(service):
        number = int(service) if service.strip("+-") else 0
        if not 0 <= number < 65536:
            raise ApiError(f"address {service}: invalid port", 500)
        return number
    try:
        return socket.getservbyname(service.lower(), "tcp")
    except (OSError, ValueError):
        raise ApiError(f"lookup tcp/{service}: unknown port", 500) from None


async def _ip(host: str) -> str:
    """Return the IP address of a host; raises ApiError 500."""
    try:
        return _literal(host)
    except ValueError:
        pass
    try:
        if NOT_A_NAME.fullmatch(host):
            raise OSError
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ApiError(f"lookup {host}: no such host", 500) from None
    first = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return str(first[4][0])


def _literal(host: str) -> str:
    """Return an IP address as Go writes it; raises ValueError where it isn't one."""
    address = ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _listen(address: Address) -> socket.socket:
    if address.host in UNSPECIFIED:
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        return socket.create_server(("", address.port), family=family, backlog=BACKLOG, dualstack_ipv6=dual)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
