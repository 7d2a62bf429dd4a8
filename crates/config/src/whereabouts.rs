//! Where a provider runs, guessed from its address where the settings do not say. No I/O.

use std::net::{IpAddr, Ipv4Addr};

use pilotlight_wire::Location;
use url::{Host, Url};

/// Local for what stays on the user's own machine or network: loopback, private, link-local and carrier-grade
/// addresses (RFC 1918, 3927, 4193, 6598; the last is what Tailscale gives out), names without a dot, and the names
/// that are reserved for such networks (RFC 6761, 6762, 8375, 9476). Everything else is hosted: an unknown name is
/// rather taken for somebody else's machine than a private request sent there.
#[must_use]
pub fn guess(base_url: &Url) -> Location {
    let local = match base_url.host() {
        Some(Host::Ipv4(address)) => private(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => private(IpAddr::V6(address)),
        Some(Host::Domain(name)) => own_name(name),
        None => false,
    };
    if local { Location::Local } else { Location::Hosted }
}

fn own_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    !name.contains('.')
        || ["localhost", "local", "internal", "home.arpa", "lan"]
            .iter()
            .any(|suffix| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')))
}

fn private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let carrier_grade = Ipv4Addr::new(100, 64, 0, 0).to_bits();
            address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_unspecified()
                || address.to_bits() & 0xFFC0_0000 == carrier_grade
        }
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => private(IpAddr::V4(mapped)),
            None => {
                address.is_loopback()
                    || address.is_unspecified()
                    || address.is_unique_local()
                    || address.is_unicast_link_local()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_machines_are_local_and_everything_else_is_hosted() {
        let local = [
            "http://127.0.0.1:1234/v1",
            "http://localhost:1234/v1",
            "http://[::1]:8000/v1",
            "http://192.168.1.20:1234",
            "http://10.1.2.3",
            "http://172.16.0.9",
            "http://100.101.102.103:1234",
            "http://[fd12::1]:1",
            "http://[::ffff:192.168.1.20]:1",
            "http://studio.local:1234",
            "http://studio:1234",
            "http://host.docker.internal:1234",
        ];
        let hosted = [
            "https://api.anthropic.com",
            "https://openrouter.ai/api/v1",
            "http://172.32.0.1",
            "http://100.128.0.1",
            "http://8.8.8.8",
            "http://[2606:4700::1111]",
            "https://local.example.com",
        ];
        for address in local {
            assert_eq!(guess(&address.parse().unwrap()), Location::Local, "{address}");
        }
        for address in hosted {
            assert_eq!(guess(&address.parse().unwrap()), Location::Hosted, "{address}");
        }
    }
}
