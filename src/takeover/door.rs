//! The gateway in place: waits for a newcomer at the Unix socket.

use std::{
    fs, io,
    net::SocketAddr,
    os::{
        fd::OwnedFd,
        unix::fs::{MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    TakeoverError,
    wire::{self, Group, Manifest, Taken, VERSION},
};
use crate::{config::ListenerId, listening::Listening, passed::Purpose};

/// How long a newcomer may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the door asks of the control thread.
#[derive(Debug)]
pub enum Ask {
    /// Copies of the listening sockets.
    Offer(oneshot::Sender<Offer>),
    /// Somebody accepts on these now: stop, say so, and drain.
    Leave(Vec<Purpose>, oneshot::Sender<()>),
}

/// Copies of listening sockets for a newcomer.
#[derive(Debug, Default)]
pub struct Offer(Vec<(Group, Vec<OwnedFd>)>);

impl Offer {
    /// Adds the sockets of a listener.
    pub fn data(&mut self, id: ListenerId, listening: &Listening) -> io::Result<()> {
        let copies = listening.copies()?;
        self.0.push((Group::data(id, listening.is_kept(), copies.len()), copies));
        Ok(())
    }

    /// Adds those of the admin port, configured as `address`.
    pub fn admin(&mut self, address: SocketAddr, listening: &Listening) -> io::Result<()> {
        let copies = listening.copies()?;
        self.0.push((Group::admin(address, listening.is_kept(), copies.len()), copies));
        Ok(())
    }
}

/// The Unix socket, open for as long as this lives.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    /// Tells the socket of this process from one a newcomer has put in its place.
    inode: Option<u64>,
    serving: JoinHandle<()>,
}

impl Door {
    /// Opens at `path`, in the place of whatever was there.
    pub fn open(path: &Path, control: mpsc::Sender<Ask>) -> Result<Self, TakeoverError> {
        let listener = bind(path).map_err(|source| TakeoverError::Door { path: path.to_owned(), source })?;
        let inode = fs::symlink_metadata(path).ok().map(|found| found.ino());
        Ok(Self { path: path.to_owned(), inode, serving: tokio::spawn(serve(listener, control)) })
    }

    /// Whether a gateway answers at `path`.
    pub fn is_occupied(path: &Path) -> bool {
        std::os::unix::net::UnixStream::connect(path).is_ok()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
        if self.inode.is_some() && fs::symlink_metadata(&self.path).ok().map(|found| found.ino()) == self.inode {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Binds beside the path and moves over it, so that there is a gateway to reach at any time.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside)?;
    // Who may connect may take the gateway's place.
    let moved =
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).and_then(|()| fs::rename(&beside, path));
    if let Err(error) = moved {
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    Ok(listener)
}

async fn serve(listener: UnixListener, control: mpsc::Sender<Ask>) {
    loop {
        let outcome = match listener.accept().await {
            // One at a time: two newcomers cannot both take the place.
            Ok((stream, _)) => tokio::time::timeout(PATIENCE, hand_over(stream, &control)).await,
            Err(error) => Ok(Err(error)),
        };
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "a takeover came to nothing");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(_) => tracing::warn!("a takeover came to nothing: the newcomer did not start in time"),
        }
    }
}

async fn hand_over(mut stream: UnixStream, control: &mpsc::Sender<Ask>) -> io::Result<()> {
    let (peer, own) = (stream.peer_cred()?, rustix::process::geteuid().as_raw());
    if peer.uid() != own && peer.uid() != 0 {
        return Err(io::Error::other(format!("user {} is neither {own} nor root", peer.uid())));
    }
    let gone = || io::Error::other("the gateway is draining");
    let (answer, offer) = oneshot::channel();
    control.send(Ask::Offer(answer)).await.map_err(|_| gone())?;
    let Offer(offer) = offer.await.map_err(|_| gone())?;
    let (groups, sockets): (Vec<Group>, Vec<Vec<OwnedFd>>) = offer.into_iter().unzip();
    let purposes: Vec<Purpose> = groups.iter().map(Group::purpose).collect();
    // A look whether somebody is here ends without a word.
    if stream.write_all(&wire::encode(&Manifest { version: VERSION, groups })?).await.is_err() {
        return Ok(());
    }
    let sockets: Vec<OwnedFd> = sockets.into_iter().flatten().collect();
    let mut sent = 0;
    while sent < sockets.len() {
        let some = stream.async_io(Interest::WRITABLE, || wire::send_some(&stream, &sockets[sent..])).await;
        match some {
            Ok(some) => sent += some,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    drop(sockets);
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        other => drop(other?),
    }
    let mut taken = vec![0; wire::length(length)?];
    stream.read_exact(&mut taken).await?;
    let taken: Taken = serde_json::from_slice(&taken)?;
    let taken = taken.groups.iter().filter_map(|at| purposes.get(*at).copied()).collect();
    let (answer, left) = oneshot::channel();
    control.send(Ask::Leave(taken, answer)).await.map_err(|_| gone())?;
    left.await.map_err(|_| gone())?;
    stream.write_all(b"k").await
}
