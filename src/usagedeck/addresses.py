"""IP addresses: as an event's are kept, and whether one lies in a list of networks."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from usagedeck.errors import InvalidInput

_OCTETS = frozenset(map(str, range(256)))


def kept_ip(text: str, full: bool) -> str:
    """The address as it is kept: whole, or the /24 or /48 it lies in; a wider network stays as the sender cut it.

    Raises `InvalidInput` for what is no address.
    """
    begin, _, last = text.rpartition(".")
    network = _network(begin) if last in _OCTETS else None
    return _any_ip(text, full) if network is None else text if full else network


@lru_cache(maxsize=50_000)
def _network(begin: str) -> str | None:
    """The network of a plain IPv4 address without its last part: addresses are many, networks few. None for any other text."""
    parts = begin.split(".")
    return f"{begin}.0/24" if len(parts) == 3 and all(part in _OCTETS for part in parts) else None


@lru_cache(maxsize=50_000)
def _any_ip(text: str, full: bool) -> str:
    try:
        network = ipaddress.ip_network(text.strip().partition("%")[0], strict=False)  # behind "%": an interface of the sender
    except ValueError:
        raise InvalidInput(
            f'ip "{text[:60]}" is no IPv4 or IPv6 address; leave it out if unknown.', field="ip", code="wrong_type"
        ) from None
    if network.version == 6 and network.prefixlen == 128 and (mapped := network.network_address.ipv4_mapped):
        network = ipaddress.ip_network(mapped)  # how sockets for both versions write an IPv4 caller
    if full:
        return str(network.network_address if network.num_addresses == 1 else network)
    widest = 24 if network.version == 4 else 48
    return str(network if network.prefixlen <= widest else network.supernet(new_prefix=widest))


def network(text: str) -> str:
    """An address or a network in the one spelling we keep. Raises `InvalidInput` for what is neither."""
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        raise InvalidInput(
            f'"{text[:60]}" is no IP address or network; write 203.0.113.7 or 203.0.113.0/24.', field="allowed_ips"
        ) from None


def lies_in(address: str, networks: Iterable[str]) -> bool:
    """Whether a caller's address is in any of the networks. What is no address is in none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped  # how sockets for both versions write an IPv4 caller
    return any(found in ipaddress.ip_network(one) for one in networks)
