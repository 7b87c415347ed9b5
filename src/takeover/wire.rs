//! The messages of a takeover: JSON behind its length, and descriptors.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::{config::ListenerId, passed::Purpose};

/// Gateways that disagree about the messages do not try.
pub(super) const VERSION: u32 = 1;
/// A message longer than this is none of ours.
pub(super) const LENGTH_MAX: usize = 1 << 20;
/// Descriptors in one message; the kernel takes 253 at most.
const CHUNK: usize = 64;

/// What the sockets that follow are for, in order.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: u32,
    pub(super) groups: Vec<Group>,
}

/// The sockets of one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    /// As configured; what a newcomer that is configured otherwise does not take.
    address: SocketAddr,
    /// How many listeners before it have the same address; none for the admin port.
    nth: Option<usize>,
    /// A service manager keeps the sockets open.
    pub(super) kept: bool,
    pub(super) sockets: usize,
}

impl Group {
    /// A listener's.
    pub(super) fn data(id: ListenerId, kept: bool, sockets: usize) -> Self {
        Self { address: id.address, nth: Some(id.nth), kept, sockets }
    }

    /// The admin port's.
    pub(super) fn admin(address: SocketAddr, kept: bool, sockets: usize) -> Self {
        Self { address, nth: None, kept, sockets }
    }

    pub(super) fn purpose(&self) -> Purpose {
        let address = self.address;
        self.nth.map_or(Purpose::AdminAt(address), |nth| Purpose::Data(ListenerId { address, nth }))
    }
}

/// Which groups the newcomer has taken, by their place in the manifest.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) groups: Vec<usize>,
}

/// A message with its length before it.
pub(super) fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes()[..], &body].concat())
}

/// The length that stands before a message.
pub(super) fn length(bytes: [u8; 4]) -> io::Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX);
    if length > LENGTH_MAX { Err(io::Error::other("this is no message of a gateway")) } else { Ok(length) }
}

/// Sends some of `sockets`, with a byte to carry them; returns how many.
pub(super) fn send_some(to: impl AsFd, sockets: &[OwnedFd]) -> io::Result<usize> {
    let chunk: Vec<BorrowedFd<'_>> = sockets.iter().take(CHUNK).map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(CHUNK))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !rights.push(SendAncillaryMessage::ScmRights(&chunk)) {
        return Err(io::Error::other("descriptors do not fit a message"));
    }
    sendmsg(to, &[IoSlice::new(b"s")], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(chunk.len())
}

/// Receives the next descriptors; none when the other side has closed.
pub(super) fn receive_some(from: impl AsFd) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(CHUNK))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let got = recvmsg(from, &mut [IoSliceMut::new(&mut byte)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    if got.bytes == 0 {
        return Ok(Vec::new());
    }
    let sockets = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    Ok(sockets.flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::unix::net::UnixStream};

    use super::*;

    #[test]
    fn sockets_arrive_in_order_also_if_they_are_many() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let listeners: Vec<_> = (0..150).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.local_addr().expect("bound")).collect();
        let sockets: Vec<OwnedFd> = listeners.into_iter().map(OwnedFd::from).collect();
        let mut sent = 0;
        while sent < sockets.len() {
            sent += send_some(&ours, &sockets[sent..]).expect("sent");
        }
        drop((sockets, ours));
        let mut arrived = Vec::new();
        loop {
            let some = receive_some(&theirs).expect("received");
            if some.is_empty() {
                break;
            }
            arrived.extend(some.into_iter().map(|socket| TcpListener::from(socket).local_addr().expect("bound")));
        }
        assert_eq!(arrived, addresses);
    }

    #[test]
    fn a_length_that_cannot_be_is_refused() {
        assert!(length([0xff; 4]).is_err());
        assert_eq!(length([0, 0, 1, 2]).ok(), Some(258));
    }

    #[test]
    fn a_group_says_what_it_is_for() {
        let id = ListenerId { address: "127.0.0.1:0".parse().expect("an address"), nth: 1 };
        for (group, purpose) in [
            (Group::data(id, true, 2), Purpose::Data(id)),
            (Group::admin(id.address, false, 1), Purpose::AdminAt(id.address)),
        ] {
            let text = serde_json::to_string(&group).expect("JSON");
            assert_eq!(serde_json::from_str::<Group>(&text).expect("JSON"), group);
            assert_eq!(group.purpose(), purpose);
        }
    }
}
