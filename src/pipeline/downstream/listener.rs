//! Data listeners: one socket for each worker, all bound to the same address.

use std::{
    cell::Cell,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    task::{Context, Poll},
    time::Duration,
};

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// Connections the kernel keeps for each worker until it accepts them.
const BACKLOG: i32 = 4096;
/// Pause after the process ran out of descriptors (RELIABILITY risk 21), or while memory is short.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections accepted in one turn: those that are open get theirs before the next.
const BATCH: usize = 16;
/// How long a retired listener takes what the kernel is still completing: a handshake and its repetition.
const SETTLE: Duration = Duration::from_millis(250);

/// Binds `count` sockets that share `address`; port 0 picks a free one for all of them.
///
/// - `ours`: whether sockets of this process have the port already, on another address.
///
/// Errors when another process has the address: it is tried alone first, because sharing would
/// hide that. Where the port is ours alone is no test, and the kernel's own rule remains: nobody
/// joins a port whose sockets do not all share, or belong to somebody else.
pub fn bind(address: SocketAddr, count: usize, ours: bool) -> io::Result<Vec<StdListener>> {
    if !ours {
        drop(socket(address, false)?);
    }
    let first = listen(socket(address, true)?)?;
    let bound = first.local_addr()?;
    let mut all = vec![first];
    for _ in 1..count {
        all.push(listen(socket(bound, true)?)?);
    }
    Ok(all)
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn listen(socket: Socket) -> io::Result<StdListener> {
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Lets no new handshake begin on `listener`, before it is closed for good.
///
/// Closing a listener resets every connection whose handshake it has answered already. With new SYNs dropped those
/// complete and can be accepted, and a client that came too late asks again after a second: it finds the socket that
/// took the address over, or is refused cleanly.
pub fn retire(listener: &StdListener) {
    // A classic BPF program over the TCP header: flags & (SYN | ACK) == SYN is dropped, all else passes.
    const FLAGS: u32 = 13;
    let program = [
        SockFilter::new(0x30, 0, 0, FLAGS),       // ldb [13]
        SockFilter::new(0x54, 0, 0, 0x12),        // and #SYN|ACK
        SockFilter::new(0x15, 0, 1, 0x02),        // jeq #SYN, next, one further
        SockFilter::new(0x06, 0, 0, 0),           // ret #0
        SockFilter::new(0x06, 0, 0, 0xffff_ffff), // ret #-1
    ];
    if let Err(error) = SockRef::from(listener).attach_filter(&program) {
        tracing::debug!(%error, "a listener closes without settling");
    }
}

/// Tells a running accept loop what to do.
#[derive(Debug, Default)]
pub struct Gate {
    paused: Cell<bool>,
    ending: Cell<Option<Ending>>,
    changed: Notify,
}

/// How a listener ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nobody else has the socket: what its queue holds is taken first.
    Retired,
    /// Another process goes on accepting from the same socket.
    HandedOver,
}

impl Gate {
    /// Accepts nothing while `paused`; the kernel's queue holds what comes.
    pub fn pause(&self, paused: bool) {
        self.paused.set(paused);
        // A loop that waits for the next connection would take it all the same.
        self.changed.notify_one();
    }

    /// Ends the loop.
    pub fn end(&self, ending: Ending) {
        self.ending.set(Some(ending));
        self.changed.notify_one();
    }
}

/// Accepts connections until `gate` ends it.
pub async fn accept(listener: StdListener, gate: &Gate, mut each: impl FnMut(TcpStream, SocketAddr)) {
    // What is accepted has it too, without a call for each (tcp(7)).
    if let Err(error) = SockRef::from(&listener).set_tcp_nodelay(true) {
        tracing::warn!(%error, "small answers may wait for acknowledgements");
    }
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "listener cannot be used");
            return;
        }
    };
    while gate.ending.get().is_none() {
        if gate.paused.get() {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let turn = tokio::select! {
            turn = std::future::poll_fn(|cx| poll_turn(&listener, cx, &mut each)) => turn,
            () = gate.changed.notified() => continue,
        };
        rest(turn).await;
    }
    if gate.ending.get() == Some(Ending::Retired) {
        let queue = async {
            loop {
                rest(std::future::poll_fn(|cx| poll_turn(&listener, cx, &mut each)).await).await;
            }
        };
        let _: Result<(), _> = tokio::time::timeout(SETTLE, queue).await;
    }
}

/// Accepts what is there, at most a batch; pending only if nothing is.
fn poll_turn(
    listener: &TcpListener,
    cx: &mut Context<'_>,
    each: &mut impl FnMut(TcpStream, SocketAddr),
) -> Poll<io::Result<()>> {
    for accepted in 0..BATCH {
        match listener.poll_accept(cx) {
            Poll::Ready(Ok((stream, peer))) => each(stream, peer),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending if accepted == 0 => return Poll::Pending,
            Poll::Pending => break,
        }
    }
    Poll::Ready(Ok(()))
}

/// Between two turns: the connections' turn, or a pause.
async fn rest(turn: io::Result<()>) {
    match turn {
        Ok(()) => tokio::task::yield_now().await,
        Err(error) if is_exhaustion(&error) => {
            tracing::warn!(%error, "connections cannot be accepted for now");
            tokio::time::sleep(PAUSE).await;
        }
        // The client left before it was accepted.
        Err(error) => tracing::debug!(%error, "connection was lost before it was accepted"),
    }
}

/// EMFILE, ENFILE, ENOBUFS, ENOMEM: trying again at once would only spin.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(12 | 23 | 24 | 105))
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, net::TcpStream as StdStream};

    use super::*;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    #[test]
    fn an_address_somebody_else_has_is_an_error_although_it_is_shared() {
        // Nobody else is on this address: no other test takes the port once it is free.
        let own = "127.0.77.1:0".parse().expect("an address");
        let listeners = bind(own, 3, false).expect("a free port");
        let bound = listeners[0].local_addr().expect("bound");
        assert!(listeners.iter().all(|listener| listener.local_addr().ok() == Some(bound)));
        assert_eq!(bind(bound, 1, false).err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
        drop(listeners);
        assert!(bind(bound, 2, false).is_ok());
    }

    #[test]
    fn an_address_that_covers_one_of_ours_can_be_bound_beside_it_but_not_beside_a_strangers() {
        let ours = bind(any(), 2, false).expect("a free port");
        let wide = SocketAddr::from(([0, 0, 0, 0], ours[0].local_addr().expect("bound").port()));
        assert!(bind(wide, 2, false).is_err());
        assert!(bind(wide, 2, true).is_ok());
        let stranger = StdListener::bind(any()).expect("a free port");
        let wide = SocketAddr::from(([0, 0, 0, 0], stranger.local_addr().expect("bound").port()));
        assert!(bind(wide, 1, true).is_err());
    }

    #[test]
    fn a_retired_listener_begins_no_handshake_and_keeps_those_it_has() {
        let listener = bind(any(), 1, false).expect("a free port").remove(0);
        let bound = listener.local_addr().expect("bound");
        let early = StdStream::connect(bound).expect("connected");
        retire(&listener);
        assert!(StdStream::connect_timeout(&bound, Duration::from_millis(100)).is_err());
        let (taken, _) = listener.accept().expect("the early one is there");
        drop(taken);
        // Closed in order, not reset.
        assert_eq!((&early).read(&mut [0]).ok(), Some(0));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_the_queue_holds_is_taken_unless_the_socket_is_handed_over() {
        for (ending, taken) in [(Ending::Retired, 40), (Ending::HandedOver, 0)] {
            let listener = bind(any(), 1, false).expect("a free port").remove(0);
            let bound = listener.local_addr().expect("bound");
            let waiting: Vec<_> = (0..40).map(|_| StdStream::connect(bound).expect("connected")).collect();
            let (gate, mut count) = (Gate::default(), 0);
            gate.end(ending);
            accept(listener, &gate, |_, _| count += 1).await;
            assert_eq!(count, taken, "{ending:?}");
            drop(waiting);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn without_descriptors_the_next_try_is_50_ms_later() {
        // EMFILE, ENFILE, ENOBUFS, ENOMEM; ECONNABORTED is the client's doing.
        for (number, waits) in [(24, true), (23, true), (105, true), (12, true), (103, false)] {
            let began = std::time::Instant::now();
            let mut resting = std::pin::pin!(rest(Err(io::Error::from_raw_os_error(number))));
            let at_once = std::future::poll_fn(|cx| Poll::Ready(resting.as_mut().poll(cx).is_ready())).await;
            assert_eq!(at_once, !waits, "{number}");
            if waits {
                resting.await;
                assert!(began.elapsed() >= Duration::from_millis(50), "{number}");
            }
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_paused_listener_leaves_connections_to_the_kernel_until_it_goes_on() {
        let listener = bind(any(), 1, false).expect("a free port").remove(0);
        let bound = listener.local_addr().expect("bound");
        let _client = StdStream::connect(bound).expect("connected");
        let (gate, count) = (Gate::default(), Cell::new(0));
        gate.pause(true);
        let operator = async {
            tokio::time::sleep(PAUSE * 3).await;
            assert_eq!(count.get(), 0);
            gate.pause(false);
            while count.get() == 0 {
                tokio::task::yield_now().await;
            }
            // Also while it waits for the next one.
            gate.pause(true);
            tokio::task::yield_now().await;
            let _late = StdStream::connect(bound).expect("connected");
            tokio::time::sleep(PAUSE * 3).await;
            assert_eq!(count.get(), 1);
            gate.pause(false);
            while count.get() == 1 {
                tokio::task::yield_now().await;
            }
            gate.end(Ending::HandedOver);
        };
        tokio::join!(accept(listener, &gate, |_, _| count.set(count.get() + 1)), operator);
        assert_eq!(count.get(), 2);
    }
}
