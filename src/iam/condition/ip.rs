//! `IpAddress`: an address or a range, IPv4 or IPv6. Host bits are ignored, families never match each other,
//! an address without prefix is itself alone (`/32`, `/128`), an IPv4-mapped address stays IPv6.

use std::net::IpAddr;

use ipnet::IpNet;

/// Reads an address or range of a policy.
pub(super) fn range(text: &str) -> Option<IpNet> {
    if text.contains('/') { text.parse().ok().map(|net: IpNet| net.trunc()) } else { address(text).map(IpNet::from) }
}

/// Reads the address of a request.
pub fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}
