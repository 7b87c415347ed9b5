//! A server of the file as one worker sees it: its connections, apart by address where its name has several.

use std::{cell::RefCell, collections::HashMap, net::SocketAddr, rc::Rc, sync::Arc};

use super::{
    roster::{Endpoint, Roster},
    server::ServerPool,
};
use crate::domain::upstream::Server;

/// A server of the file. Lives as long as some snapshot names it.
#[derive(Debug)]
pub struct Site {
    server: Server,
    /// Addresses that are not connected to: the gateway's own.
    own: RefCell<Rc<[SocketAddr]>>,
    /// By address; under none those of a name that stands for one server.
    pools: RefCell<HashMap<Option<SocketAddr>, Rc<ServerPool>>>,
}

impl Site {
    /// A server without connections.
    pub fn new(server: Server) -> Rc<Self> {
        Rc::new(Self { server, own: RefCell::new(Rc::new([])), pools: RefCell::default() })
    }

    /// From now on these addresses are not connected to.
    pub fn guard(&self, own: &Rc<[SocketAddr]>) {
        *self.own.borrow_mut() = Rc::clone(own);
    }

    /// What requests can be sent to now. Connections to addresses that its name does not have any more end with their
    /// requests.
    pub fn pools(&self, roster: &Roster) -> Vec<Rc<ServerPool>> {
        let mut before = self.pools.take();
        let mut kept = HashMap::new();
        let mut pools = Vec::new();
        for Endpoint { address, known, condition } in roster.endpoints(&self.server) {
            let same = before.remove(&address).filter(|pool| Arc::ptr_eq(&pool.condition, &condition));
            let pool = same.unwrap_or_else(|| ServerPool::new(self.server.clone(), address, condition));
            pool.guard(&self.own.borrow());
            pool.is_at(known);
            kept.insert(address, Rc::clone(&pool));
            pools.push(pool);
        }
        before.values().for_each(|pool| pool.close());
        *self.pools.borrow_mut() = kept;
        pools
    }

    /// Looks its name up if it is time to; call where tasks can be spawned.
    pub fn refresh(&self, roster: &Arc<Roster>) {
        if roster.claims(&self.server) {
            let (roster, server) = (Arc::clone(roster), self.server.clone());
            tokio::task::spawn_local(async move {
                let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
                let found = found.map(Iterator::collect).unwrap_or_else(|error| {
                    tracing::warn!(server = server.label(), %error, "name not found, its last addresses stay in use");
                    Vec::new()
                });
                let addresses = found.len();
                if roster.found(&server, found) {
                    tracing::info!(server = server.label(), addresses, "name stands for other addresses than before");
                }
            });
        }
    }

    /// Closes idle connections now and all others once their request is done.
    pub fn close(&self) {
        self.pools.borrow().values().for_each(|pool| pool.close());
    }
}
