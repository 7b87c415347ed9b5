//! Where the gateway does not connect to, whatever a name resolves to.

use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
};

use crate::domain::upstream::{is_link_local, is_own};

/// Why an address is not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Credentials of the machine are served there.
    #[error("{0} is a link-local or metadata address")]
    LinkLocal(IpAddr),
    /// The request would come back for ever.
    #[error("{0} is one of the gateway's own addresses")]
    Own(SocketAddr),
}

/// Addresses that are not connected to. Asked again for each connection: a name may resolve to another address
/// tomorrow.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// The gateway's listeners, the admin port among them.
    own: Rc<[SocketAddr]>,
    /// Whether the operator asked for link-local addresses.
    link_local: bool,
}

impl Guard {
    /// - `own`: addresses the gateway listens on; those with port 0 say nothing.
    /// - `link_local`: whether link-local addresses may be connected to.
    pub fn new(own: Rc<[SocketAddr]>, link_local: bool) -> Self {
        Self { own, link_local }
    }

    /// Errors where `address` must not be connected to.
    pub fn check(&self, address: SocketAddr) -> Result<(), Forbidden> {
        let ip = address.ip().to_canonical();
        if !self.link_local && is_link_local(ip) {
            return Err(Forbidden::LinkLocal(ip));
        }
        match self.own.iter().any(|own| is_own(*own, address)) {
            true => Err(Forbidden::Own(address)),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(own: &[&str], link_local: bool, address: &str) -> bool {
        let own: Vec<SocketAddr> = own.iter().map(|text| text.parse().expect("an address")).collect();
        Guard::new(own.into(), link_local).check(address.parse().expect("an address")).is_ok()
    }

    #[test]
    fn credentials_of_the_machine_are_out_of_reach_however_they_are_written() {
        for address in [
            "169.254.169.254:80",
            "[::ffff:169.254.169.254]:80",
            "169.254.0.1:9",
            "[fe80::1]:80",
            "100.100.100.200:80",
            "[fd00:ec2::254]:80",
        ] {
            assert!(!allowed(&[], false, address), "{address}");
            assert!(allowed(&[], true, address), "{address}");
        }
        for address in
            ["127.0.0.1:80", "10.0.0.1:80", "169.253.255.255:80", "169.255.0.0:80", "[::1]:80", "[fd00::1]:80"]
        {
            assert!(allowed(&[], false, address), "{address}");
        }
    }

    #[test]
    fn the_gateways_own_listeners_are_not_upstreams() {
        let own = ["0.0.0.0:8080", "127.0.0.1:9901"];
        for (address, fits) in [
            ("127.0.0.1:8080", false),
            ("127.0.0.2:8080", false),
            ("[::ffff:127.0.0.1]:8080", false),
            ("0.0.0.0:9901", false),
            ("127.0.0.1:9901", false),
            ("127.0.0.2:9901", true),
            ("127.0.0.1:8081", true),
            ("10.0.0.1:8080", true),
        ] {
            assert_eq!(allowed(&own, true, address), fits, "{address}");
        }
    }
}
