//! The client's address, through the proxies that are trusted.
//!
//! `X-Forwarded-For` is believed only as far as trusted proxies wrote it: read from the right, the
//! first address that is no trusted proxy is the client. Believing the first entry, as is common,
//! lets every client choose its own address and with it its own rate limit.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use actix_web::http::header::{HeaderMap, HeaderName};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// More entries than any chain of proxies writes; the rest is not read.
const LONGEST_CHAIN: usize = 32;

/// A range of addresses, as in `10.0.0.0/8`; a bare address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    base: u128,
    mask: u128,
}

/// Both families in one space: IPv4 as its IPv6-mapped form.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        number(address) & self.mask == self.base
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is not an address or a range such as 10.0.0.0/8");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| refused())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let family = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(family);
        if length > family {
            return Err(refused());
        }
        let free = family - length;
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        Ok(Self { base: number(address) & mask, mask })
    }
}

/// The client of a request that came from `peer`.
pub(crate) fn resolve(trusted: &[Network], peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = peer.map(|peer| peer.to_canonical())?;
    let is_proxy = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_proxy(peer) {
        return Some(peer);
    }
    let chain = headers.get_all(FORWARDED_FOR).filter_map(|value| value.to_str().ok());
    let entries: Vec<&str> = chain.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut client = peer;
    for entry in entries.iter().rev().take(LONGEST_CHAIN) {
        let Some(address) = entry_address(entry) else { break };
        client = address.to_canonical();
        if !is_proxy(client) {
            break;
        }
    }
    Some(client)
}

/// Some proxies write the port as well: `1.2.3.4:567`, `[::1]:567`.
fn entry_address(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    entry.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn check(trusted: &[&str], peer: &str, forwarded: &str, expected: &str) {
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, HeaderValue::from_str(forwarded).unwrap());
        let client = resolve(&trusted, Some(peer.parse().unwrap()), &headers);
        assert_eq!(client, Some(expected.parse().unwrap()), "{peer} {forwarded}");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check(&[], "203.0.113.9", "198.51.100.1", "203.0.113.9");
        check(&["10.0.0.0/8"], "10.1.2.3", "198.51.100.1", "198.51.100.1");
        check(&["10.0.0.0/8"], "10.1.2.3", "1.1.1.1, 198.51.100.1", "198.51.100.1");
        check(&["10.0.0.0/8"], "10.1.2.3", "198.51.100.1, 10.9.9.9", "198.51.100.1");
        check(&["10.0.0.0/8"], "10.1.2.3", "198.51.100.1:4711", "198.51.100.1");
        check(&["10.0.0.0/8"], "10.1.2.3", "[2001:db8::1]:4711", "2001:db8::1");
        check(&["10.0.0.0/8"], "10.1.2.3", "garbage", "10.1.2.3");
        check(&["::1"], "::1", "2001:db8::1", "2001:db8::1");
        check(&["0.0.0.0/0"], "9.9.9.9", "1.1.1.1", "1.1.1.1");
    }

    #[test]
    fn ranges() {
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("ten".parse::<Network>().is_err());
        let network: Network = "192.168.1.0/24".parse().unwrap();
        assert!(network.contains("192.168.1.77".parse().unwrap()));
        assert!(!network.contains("192.168.2.1".parse().unwrap()));
    }
}
