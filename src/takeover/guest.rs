//! The newcomer: fetches the sockets of the gateway in place before it starts, and says when it serves.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    TakeoverError,
    wire::{self, Manifest, Taken, VERSION},
};
use crate::{
    listening::Listening,
    passed::{Passed, Purpose},
};

/// The gateway in place answers at once, or hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A takeover under way; dropped before [`Guest::serves`], it has not happened.
#[derive(Debug)]
pub struct Guest {
    path: PathBuf,
    stream: UnixStream,
    purposes: Vec<Purpose>,
}

impl Guest {
    /// Fetches the sockets of the gateway reachable at `path`; none if there is no gateway.
    pub fn fetch(path: &Path) -> Result<Option<(Self, Passed)>, TakeoverError> {
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(None);
            }
            Err(source) => return Err(TakeoverError::Refused { path: path.to_owned(), source }),
        };
        let fetched = fetch(stream).map_err(|source| TakeoverError::Refused { path: path.to_owned(), source });
        let (stream, sockets) = fetched?;
        let purposes = sockets.iter().map(|(purpose, _)| *purpose).collect();
        Ok(Some((Self { path: path.to_owned(), stream, purposes }, Passed::new(sockets))))
    }

    /// Says that this process serves; returns when the other one has stopped accepting.
    ///
    /// - `uses`: whether this process accepts on the sockets of a purpose.
    pub fn serves(mut self, uses: impl Fn(Purpose) -> bool) -> Result<(), TakeoverError> {
        let groups = (0..self.purposes.len()).filter(|at| uses(self.purposes[*at])).collect();
        let told = || {
            self.stream.write_all(&wire::encode(&Taken { groups })?)?;
            self.stream.read_exact(&mut [0])
        };
        told().map_err(|source| TakeoverError::Refused { path: self.path.clone(), source })
    }
}

fn fetch(mut stream: UnixStream) -> io::Result<(UnixStream, Vec<(Purpose, Listening)>)> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut manifest = vec![0; wire::length(length)?];
    stream.read_exact(&mut manifest)?;
    let manifest: Manifest = serde_json::from_slice(&manifest)?;
    if manifest.version != VERSION {
        return Err(io::Error::other(format!("it speaks version {} of this, not {VERSION}", manifest.version)));
    }
    let wanted = manifest.groups.iter().map(|group| group.sockets).sum();
    let mut sockets = Vec::new();
    while sockets.len() < wanted {
        let some = wire::receive_some(&stream)?;
        if some.is_empty() {
            return Err(io::Error::other(format!("{} of {wanted} sockets arrived", sockets.len())));
        }
        sockets.extend(some.into_iter().map(TcpListener::from));
    }
    let mut sockets = sockets.into_iter();
    let mut groups = Vec::new();
    for group in &manifest.groups {
        let listening = Listening::passed(sockets.by_ref().take(group.sockets).collect(), group.kept)?;
        groups.push((group.purpose(), listening));
    }
    Ok((stream, groups))
}
