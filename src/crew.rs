//! The worker threads: started once, told about listeners and snapshots, drained at the end.

use std::{
    collections::HashMap,
    io,
    net::TcpListener,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::mpsc,
    task::{self, LocalSet},
    time::Instant,
};

use crate::{
    config::ListenerId,
    descriptors,
    pipeline::{
        connection, deadline,
        downstream::{
            farewell::Farewell,
            listener::{self, Ending, Gate},
        },
        pressure::Pressure,
        snapshot::Snapshot,
        worker::{Shared, Worker},
    },
};

/// What a worker is told.
#[derive(Debug)]
enum Command {
    /// Use this snapshot from the next request on.
    Use(Box<Snapshot>),
    /// Accept connections on these sockets.
    Listen(ListenerId, Vec<TcpListener>),
    /// Stop accepting on them; the clients they have are those of the other listener from now on, or parted with.
    Close(ListenerId, Ending, Option<ListenerId>),
    /// Memory is short to this degree.
    Press(Pressure),
    /// Finish what is under way, and end.
    Drain(Patience),
}

/// How long a drain waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For idle clients to send one more request, whose answer tells them to leave.
    pub idle: Duration,
    /// For everything.
    pub total: Duration,
}

/// All workers of the process.
#[derive(Debug)]
pub struct Crew {
    workers: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    /// Counts on for as long as the worker moves.
    beats: Arc<AtomicU64>,
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

/// How often a draining worker looks whether it is done.
const LOOK: Duration = Duration::from_millis(10);
/// How often a draining worker wakes its connections, so that those opened since hear of it too.
const WAKE: Duration = Duration::from_millis(100);

impl Crew {
    /// Starts `shared.workers` threads that begin with a snapshot each.
    ///
    /// Each has its own: the counts of shared header values would otherwise go from core to core
    /// with every request.
    pub fn start(shared: &Arc<Shared>, compile: impl Fn() -> Snapshot) -> io::Result<Self> {
        let start = |index: usize| {
            let (commands, orders) = mpsc::unbounded_channel();
            let (shared, snapshot) = (Arc::clone(shared), compile());
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            let beats = Arc::<AtomicU64>::default();
            let beat = Arc::clone(&beats);
            let thread = thread.spawn(move || work(shared, snapshot, orders, beat))?;
            Ok(Member { beats, commands, thread })
        };
        Ok(Self { workers: (0..shared.workers).map(start).collect::<io::Result<_>>()? })
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Gives each worker its share of a listener's sockets.
    pub fn listen(&self, id: ListenerId, shares: Vec<Vec<TcpListener>>) {
        for (worker, sockets) in self.workers.iter().zip(shares) {
            worker.tell(Command::Listen(id, sockets));
        }
    }

    /// Stops accepting on a listener.
    ///
    /// - `heir`: one that serves its address as well, and keeps its clients.
    pub fn close(&self, id: ListenerId, ending: Ending, heir: Option<ListenerId>) {
        self.workers.iter().for_each(|worker| worker.tell(Command::Close(id, ending, heir)));
    }

    /// Tells every worker how short memory is.
    pub fn press(&self, pressure: Pressure) {
        self.workers.iter().for_each(|worker| worker.tell(Command::Press(pressure)));
    }

    /// How far each worker has counted: about one a second.
    pub fn beats(&self) -> Vec<u64> {
        self.workers.iter().map(|worker| worker.beats.load(Ordering::Relaxed)).collect()
    }

    /// Puts a new snapshot into use, one for each worker.
    pub fn replace(&self, compile: impl Fn() -> Snapshot) {
        self.workers.iter().for_each(|worker| worker.tell(Command::Use(Box::new(compile()))));
    }

    /// Tells every worker to finish within `patience`; [`Crew::is_done`] says when they have.
    pub fn drain(&self, patience: Patience) {
        self.workers.iter().for_each(|worker| worker.tell(Command::Drain(patience)));
    }

    /// Whether every worker has ended.
    pub fn is_done(&self) -> bool {
        self.workers.iter().all(|worker| worker.thread.is_finished())
    }
}

impl Member {
    fn tell(&self, command: Command) {
        // A worker that has ended needs no orders.
        let _ = self.commands.send(command);
    }
}

/// One worker's thread.
fn work(shared: Arc<Shared>, snapshot: Snapshot, orders: mpsc::UnboundedReceiver<Command>, beats: Arc<AtomicU64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().on_thread_unpark(deadline::woken).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "worker cannot start");
            return;
        }
    };
    let local = LocalSet::new();
    local.block_on(&runtime, serve(Worker::new(shared, snapshot), orders, beats));
}

/// Carries out orders until the drain is over.
async fn serve(worker: Rc<Worker>, mut orders: mpsc::UnboundedReceiver<Command>, beats: Arc<AtomicU64>) {
    task::spawn_local(Rc::clone(&worker.deadlines).run());
    task::spawn_local(sweep(Rc::clone(&worker), beats));
    worker.watch();
    let mut open: HashMap<ListenerId, Open> = HashMap::new();
    let mut accepting = task::JoinSet::new();
    while let Some(order) = orders.recv().await {
        match order {
            Command::Use(snapshot) => worker.replace(*snapshot),
            Command::Listen(id, sockets) => {
                let listener = open.entry(id).or_insert_with(|| Open::new(&worker));
                for socket in sockets {
                    let gate = Rc::<Gate>::default();
                    gate.pause(worker.pressure() == Pressure::NoAccept);
                    listener.gates.push(Rc::clone(&gate));
                    let farewell = Rc::clone(&listener.farewell);
                    accepting.spawn_local(accept(Rc::clone(&worker), id, socket, (gate, farewell)));
                }
            }
            Command::Close(id, ending, heir) => {
                if let Some(Open { gates, farewell, mut inherited }) = open.remove(&id) {
                    inherited.push(farewell);
                    gates.iter().for_each(|gate| gate.end(ending));
                    match heir.and_then(|heir| open.get_mut(&heir)) {
                        Some(heir) => heir.inherit(inherited),
                        None => drop(task::spawn_local(part(Rc::clone(&worker), inherited))),
                    }
                }
            }
            Command::Press(pressure) => {
                worker.press(pressure);
                open.values()
                    .flat_map(|listener| &listener.gates)
                    .for_each(|gate| gate.pause(pressure == Pressure::NoAccept));
            }
            Command::Drain(patience) => return drain(&worker, accepting, patience).await,
        }
        while accepting.try_join_next().is_some() {}
    }
}

/// A listener in use by a worker.
struct Open {
    gates: Vec<Rc<Gate>>,
    farewell: Rc<Farewell>,
    /// Of clients of listeners that are gone, whose addresses it serves as well.
    inherited: Vec<Rc<Farewell>>,
}

impl Open {
    fn new(worker: &Worker) -> Self {
        Self { gates: Vec::new(), farewell: Farewell::new(Rc::clone(&worker.draining)), inherited: Vec::new() }
    }

    fn inherit(&mut self, farewells: Vec<Rc<Farewell>>) {
        // Clients that are gone need none.
        self.inherited.extend(farewells);
        self.inherited.retain(|farewell| Rc::strong_count(farewell) > 1);
    }
}

/// Parts with the clients of a listener that is gone, as at the end of the process: an answer tells each to leave, and
/// those that do not ask for one are closed after a while. What is under way, tunnels included, takes its time.
async fn part(worker: Rc<Worker>, farewells: Vec<Rc<Farewell>>) {
    farewells.iter().for_each(|farewell| farewell.say());
    // HTTP/2 can say so without an answer.
    worker.deadlines.wake_all();
    let patience = worker.loaded().snapshot.config.timeouts.drain_idle;
    tokio::time::sleep(patience).await;
    farewells.iter().for_each(|farewell| farewell.end());
    worker.deadlines.wake_all();
}

async fn accept(worker: Rc<Worker>, id: ListenerId, socket: TcpListener, (gate, farewell): (Rc<Gate>, Rc<Farewell>)) {
    let mut listener = worker.listener(id);
    let each = |stream: TcpStream, peer| {
        if descriptors::is_reserved(&stream) {
            return worker.shared.metrics.connections_refused().inc();
        }
        // What waits in the queue of a listener that is gone is served as it was last configured.
        listener = worker.listener(id).or(listener.take());
        if let Some(listener) = &listener {
            let entrance = (Arc::clone(listener), Rc::clone(&farewell));
            task::spawn_local(connection::serve(Rc::clone(&worker), entrance, stream, peer));
        }
    };
    listener::accept(socket, &gate, each).await;
}

/// Waits for listeners and connections to end; what is left after `patience` is cut.
async fn drain(worker: &Worker, mut accepting: task::JoinSet<()>, patience: Patience) {
    let began = Instant::now();
    worker.say_close();
    let mut woken = began;
    while began.elapsed() < patience.total {
        while accepting.try_join_next().is_some() {}
        if accepting.is_empty() && worker.open.get() == 0 {
            return;
        }
        if began.elapsed() >= patience.idle && (!worker.draining.get() || woken.elapsed() >= WAKE) {
            woken = Instant::now();
            worker.drain();
        }
        tokio::time::sleep(LOOK).await;
    }
    let cut = worker.open.get();
    if cut > 0 {
        tracing::warn!(connections = cut, "drain took too long, closing what is left");
    }
}

/// Closes upstream connections that were idle too long.
async fn sweep(worker: Rc<Worker>, beats: Arc<AtomicU64>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        worker.sweep();
        beats.fetch_add(1, Ordering::Relaxed);
    }
}
