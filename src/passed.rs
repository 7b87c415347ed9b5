//! Listening sockets that another process opened for this one: a service manager, or the gateway before.

use std::{io, net::SocketAddr};

use socket2::SockRef;

use crate::{
    config::ListenerId,
    listening::Listening,
    systemd::{self, Activated},
};

/// What a passed socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// This listener of the configuration.
    Data(ListenerId),
    /// The admin port, configured so.
    AdminAt(SocketAddr),
    /// The admin port, wherever it is.
    Admin,
    /// Whatever has its address.
    ItsAddress,
}

/// Sockets that were passed and are not used yet.
#[derive(Debug, Default)]
pub struct Passed {
    sockets: Vec<(Purpose, Listening)>,
}

impl Passed {
    /// What the service manager opened; one that is named `admin` is for the admin port.
    pub fn from_service_manager() -> io::Result<Self> {
        let passed = |Activated { name, socket }: Activated| {
            socket.set_nonblocking(true)?;
            let purpose = if name == "admin" { Purpose::Admin } else { Purpose::ItsAddress };
            Ok((purpose, Listening::passed(vec![socket], true)?))
        };
        Ok(Self { sockets: systemd::activated()?.into_iter().map(passed).collect::<io::Result<_>>()? })
    }

    /// These sockets.
    pub fn new(sockets: Vec<(Purpose, Listening)>) -> Self {
        Self { sockets }
    }

    /// Takes what was passed for `purpose` at `address`, as configured.
    pub fn take(&mut self, purpose: Purpose, address: SocketAddr) -> Option<Listening> {
        let is_admin = matches!(purpose, Purpose::AdminAt(_));
        let fits = |(meant, listening): &(Purpose, Listening)| match meant {
            Purpose::Admin => is_admin,
            Purpose::ItsAddress => serves(listening, address),
            meant => *meant == purpose,
        };
        self.sockets.iter().position(fits).map(|at| self.sockets.remove(at).1)
    }

    /// Addresses nobody has asked for whose sockets stay open elsewhere: callers would wait there for ever.
    pub fn orphans(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.iter().filter(|(_, listening)| listening.is_kept()).map(|(_, listening)| listening.bound)
    }
}

/// Whether a socket takes what callers send to `address`. `ListenStream=8080` opens `[::]:8080` for both families.
fn serves(listening: &Listening, address: SocketAddr) -> bool {
    let bound = listening.bound;
    let both_families =
        || listening.sockets().iter().all(|socket| SockRef::from(socket).only_v6().is_ok_and(|only| !only));
    let any = bound.ip().is_unspecified() && address.ip().is_unspecified() && bound.port() == address.port();
    bound == address || any && bound.is_ipv6() && both_families()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::config::Listener;

    fn listening(address: &str) -> Listening {
        let address: SocketAddr = address.parse().expect("an address");
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        if address.is_ipv6() {
            socket.set_only_v6(false).expect("both families");
        }
        socket.bind(&address.into()).expect("a free port");
        socket.listen(1).expect("listening");
        Listening::passed(vec![TcpListener::from(socket)], true).expect("an address")
    }

    #[test]
    fn a_socket_is_found_by_its_purpose_or_its_address() {
        let (one, admin) = (listening("127.0.0.1:0"), listening("127.0.0.1:0"));
        let (at, elsewhere) = (one.bound, SocketAddr::from(([127, 0, 0, 1], 0)));
        let data = |address| Purpose::Data(Listener::plain(address).id);
        let mut passed = Passed::new(vec![(Purpose::Admin, admin), (Purpose::ItsAddress, one)]);
        assert!(passed.take(data(elsewhere), elsewhere).is_none());
        assert_eq!(passed.take(data(at), at).map(|listening| listening.bound), Some(at));
        assert!(passed.take(data(at), at).is_none(), "taken already");
        assert_eq!(passed.orphans().count(), 1);
        assert!(passed.take(Purpose::AdminAt(elsewhere), elsewhere).is_some(), "by its name, wherever it listens");
        assert_eq!(passed.orphans().count(), 0);
    }

    #[test]
    fn a_socket_of_both_families_serves_the_wildcard_of_either() {
        let both = listening("[::]:0");
        let port = both.bound.port();
        for (address, served) in
            [(format!("0.0.0.0:{port}"), true), (format!("[::]:{port}"), true), (format!("127.0.0.1:{port}"), false)]
        {
            assert_eq!(serves(&both, address.parse().expect("an address")), served, "{address}");
        }
        let v4 = listening("0.0.0.0:0");
        assert!(!serves(&v4, SocketAddr::from(([0u16; 8], v4.bound.port()))));
    }
}
