//! The data listeners of the process, held by the control thread.
//!
//! Workers accept on copies of them. The control thread keeps its own so that a reload can tell its own addresses from
//! those of strangers.

use std::{io, net::SocketAddr, sync::Arc};

use crate::{
    config::{Listener, ListenerId},
    crew::Crew,
    listening::{BindError, Listening},
    passed::{Passed, Purpose},
    pipeline::downstream::listener::{self, Ending},
};

/// The data listeners in use.
#[derive(Debug, Default)]
pub struct Listeners {
    open: Vec<(ListenerId, Listening)>,
}

impl Listeners {
    /// The addresses as bound.
    pub fn bound(&self) -> Vec<SocketAddr> {
        self.open.iter().map(|(_, listening)| listening.bound).collect()
    }

    /// Binds what `wanted` has and this set has not: everything that can fail.
    ///
    /// - `others`: further addresses this process listens on.
    /// - `passed`: taken from where it has what is wanted.
    pub fn open(
        &self,
        wanted: &[Arc<Listener>],
        workers: usize,
        others: &[SocketAddr],
        passed: &mut Passed,
    ) -> Result<Vec<(ListenerId, Listening)>, BindError> {
        let open = |listener: &Arc<Listener>| {
            let address = listener.id.address;
            if let Some(passed) = passed.take(Purpose::Data(listener.id), address) {
                return Ok((listener.id, passed));
            }
            let ours = self.bound().into_iter().chain(others.iter().copied());
            Ok((listener.id, Listening::bind(address, workers, ours)?))
        };
        let is_new = |wanted: &&Arc<Listener>| self.open.iter().all(|(id, _)| *id != wanted.id);
        wanted.iter().filter(is_new).map(open).collect()
    }

    /// Accepts on `opened` from now on, and no longer on what `wanted` does not have.
    pub fn put_into_use(
        &mut self,
        opened: Vec<(ListenerId, Listening)>,
        wanted: &[Arc<Listener>],
        crew: &Crew,
    ) -> io::Result<()> {
        for (id, listening) in opened {
            crew.listen(id, listening.share(crew.workers())?);
            self.open.push((id, listening));
        }
        // Only now: what was asked of the old address may be answered at the new one.
        let is_gone = |(id, _): &mut (ListenerId, Listening)| wanted.iter().all(|listener| listener.id != *id);
        for (id, listening) in self.open.extract_if(.., is_gone) {
            let heir = wanted.iter().find(|listener| serves(listener.id.address, id.address));
            end(id, &listening, false, heir.map(|listener| listener.id), crew);
        }
        Ok(())
    }

    /// The listeners in use.
    pub fn iter(&self) -> impl Iterator<Item = &(ListenerId, Listening)> {
        self.open.iter()
    }

    /// Accepts on nothing any more.
    ///
    /// - `handed_over`: what another process accepts on now.
    pub fn end(&mut self, handed_over: &[Purpose], crew: &Crew) {
        for (id, listening) in self.open.drain(..) {
            end(id, &listening, handed_over.contains(&Purpose::Data(id)), None, crew);
        }
    }
}

/// Whether everything that comes to `other` could come to a listener on `address` as well.
fn serves(address: SocketAddr, other: SocketAddr) -> bool {
    let (ip, same_family) = (address.ip(), address.is_ipv4() == other.is_ipv4());
    address.port() == other.port() && (ip == other.ip() || (ip.is_unspecified() && same_family))
}

/// A socket that lives on elsewhere must not be retired: it would stay so.
fn end(id: ListenerId, listening: &Listening, handed_over: bool, heir: Option<ListenerId>, crew: &Crew) {
    if handed_over || listening.is_kept() {
        crew.close(id, Ending::HandedOver, heir);
    } else {
        listening.sockets().iter().for_each(listener::retire);
        crew.close(id, Ending::Retired, heir);
    }
}
