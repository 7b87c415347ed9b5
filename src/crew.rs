//! The worker threads: started once, told about listeners and snapshots, drained at the end.

use std::{collections::HashMap, io, net::TcpListener, rc::Rc, sync::Arc, thread::JoinHandle, time::Duration};

use tokio::{
    sync::{Notify, mpsc},
    task::LocalSet,
    time::Instant,
};

use crate::{
    config::ListenerId,
    pipeline::{
        connection,
        downstream::listener,
        snapshot::Snapshot,
        worker::{Shared, Worker},
    },
};

/// What a worker is told.
#[derive(Debug)]
enum Command {
    /// Use this snapshot from the next request on.
    Use(Box<Snapshot>),
    /// Accept connections on this socket, one of this listener's.
    Listen(ListenerId, TcpListener),
    /// Stop accepting on this listener.
    Close(ListenerId),
    /// Accept nothing more, finish what is under way within this time, and end.
    Drain(Duration),
}

/// All workers of the process.
#[derive(Debug)]
pub struct Crew {
    workers: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

/// How often a draining worker looks whether it is done.
const LOOK: Duration = Duration::from_millis(10);

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
            let thread = thread.spawn(move || work(shared, snapshot, orders))?;
            Ok(Member { commands, thread })
        };
        Ok(Self { workers: (0..shared.workers).map(start).collect::<io::Result<_>>()? })
    }

    /// Gives each worker one of the listener's `sockets`.
    pub fn listen(&self, id: ListenerId, sockets: Vec<TcpListener>) {
        for (worker, socket) in self.workers.iter().zip(sockets) {
            worker.tell(Command::Listen(id, socket));
        }
    }

    /// Stops accepting on the listener.
    pub fn close(&self, id: ListenerId) {
        self.workers.iter().for_each(|worker| worker.tell(Command::Close(id)));
    }

    /// Puts a new snapshot into use, one for each worker.
    pub fn replace(&self, compile: impl Fn() -> Snapshot) {
        self.workers.iter().for_each(|worker| worker.tell(Command::Use(Box::new(compile()))));
    }

    /// Tells every worker to finish within `patience`; [`Crew::is_done`] says when they have.
    pub fn drain(&self, patience: Duration) {
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
fn work(shared: Arc<Shared>, snapshot: Snapshot, orders: mpsc::UnboundedReceiver<Command>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "worker cannot start");
            return;
        }
    };
    let local = LocalSet::new();
    local.block_on(&runtime, serve(Worker::new(shared, snapshot), orders));
}

/// Carries out orders until the drain is over.
async fn serve(worker: Rc<Worker>, mut orders: mpsc::UnboundedReceiver<Command>) {
    tokio::task::spawn_local(Rc::clone(&worker.deadlines).run());
    tokio::task::spawn_local(sweep(Rc::clone(&worker)));
    let mut open: HashMap<ListenerId, Rc<Notify>> = HashMap::new();
    while let Some(order) = orders.recv().await {
        match order {
            Command::Use(snapshot) => worker.replace(*snapshot),
            Command::Listen(id, socket) => {
                let closed = Rc::new(Notify::new());
                open.insert(id, Rc::clone(&closed));
                let worker = Rc::clone(&worker);
                tokio::task::spawn_local(listener::accept(socket, closed, move |stream, peer| {
                    tokio::task::spawn_local(connection::serve(Rc::clone(&worker), stream, peer));
                }));
            }
            Command::Close(id) => {
                if let Some(closed) = open.remove(&id) {
                    closed.notify_one();
                }
            }
            Command::Drain(patience) => {
                open.values().for_each(|closed| closed.notify_one());
                return drain(&worker, patience).await;
            }
        }
    }
}

/// Waits for open connections to end; what is left after `patience` is cut.
async fn drain(worker: &Worker, patience: Duration) {
    let until = Instant::now() + patience;
    // Connections that the kernel had accepted already are still coming in.
    tokio::task::yield_now().await;
    while Instant::now() < until {
        worker.drain();
        tokio::time::sleep(LOOK).await;
        if worker.open.get() == 0 {
            return;
        }
    }
    let cut = worker.open.get();
    tracing::warn!(connections = cut, "drain took too long, closing what is left");
}

/// Closes upstream connections that were idle too long.
async fn sweep(worker: Rc<Worker>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        worker.sweep();
    }
}
