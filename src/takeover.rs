//! One gateway takes the place of another on the same machine without a connection lost.
//!
//! They meet at a Unix socket (`admin.takeover`). The newcomer is given the listening sockets themselves, so the
//! kernel's queues of connections stay as they are: it accepts on them, says so, and only then the other one stops
//! accepting and drains. If the newcomer fails before that, nothing has changed.
//!
//! ```text
//! newcomer                                    gateway in place
//!    connects to the Unix socket
//!                                             manifest: what the sockets are for
//!                                             the sockets (SCM_RIGHTS)
//!    opens what is missing, serves
//!    which of them it has taken
//!                                             accepts nothing more, drains
//!                                             done
//! ```

mod door;
mod guest;
mod wire;

use std::{io, path::PathBuf};

pub use self::{
    door::{Ask, Door, Offer},
    guest::Guest,
};

/// Why two gateways could not meet.
#[derive(Debug, thiserror::Error)]
pub enum TakeoverError {
    /// `--takeover` without a meeting place.
    #[error("`--takeover` needs `admin.takeover` in the configuration: the path of a Unix socket")]
    NoPlace,
    /// A gateway is there, and was not asked to leave.
    #[error("another gateway is reachable at {}; start with `--takeover` to take its place, or stop it", .0.display())]
    Occupied(PathBuf),
    /// The path cannot be used.
    #[error("cannot listen on {}: {source}; `admin.takeover` has to be in a directory this process may write to", .path.display())]
    Door {
        /// As configured.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The other gateway is there but did not hand over.
    #[error("the gateway at {} did not hand over its sockets: {source}", .path.display())]
    Refused {
        /// As configured.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
