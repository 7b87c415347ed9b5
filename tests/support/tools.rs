//! Programs nobody here wrote: nginx, Python, Prometheus.

use std::{
    fs,
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A child process, killed by its process id when dropped. A test that fails shows what the child complained of.
pub(crate) struct Running {
    child: Child,
    name: String,
    complaints: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Starts a program; a missing one fails loudly, because a test that was skipped looks like one that passed.
    #[track_caller]
    pub(crate) fn start(program: &str, args: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{program}: {e}; scripts/test installs it"));
        let mut stderr = child.stderr.take().expect("it is piped");
        let complaints = thread::spawn(move || {
            let mut said = Vec::new();
            let _ = stderr.read_to_end(&mut said);
            said
        });
        Self { child, name: program.to_owned(), complaints: Some(complaints) }
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and makes it after two seconds. What it ended with before that, if it had.
    fn end(&mut self) -> Option<ExitStatus> {
        if let Ok(Some(ended)) = self.child.try_wait() {
            return Some(ended);
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return None;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ended = self.end();
        if !thread::panicking() {
            return;
        }
        // A child of the child may hold stderr for longer.
        for _ in 0..50 {
            if self.complaints.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let finished = self.complaints.take().filter(JoinHandle::is_finished);
        let said = finished.and_then(|thread| thread.join().ok()).unwrap_or_default();
        let state = ended.map_or_else(|| "was running".to_owned(), |status| format!("had ended ({status})"));
        eprintln!("{} {state}; it said: {}", self.name, String::from_utf8_lossy(&said));
    }
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}; scripts/test installs it"))
}

/// Runs a command line of the README to its end. One that waits forever would keep the programs it calls alive.
#[track_caller]
pub(crate) fn shell(line: &str) -> Output {
    run("timeout", &["20", "bash", "-c", line])
}

/// A free port, for programs that cannot choose one themselves. No other test gets it, and it is none that the system
/// gives to outgoing connections or to those who ask for any port: between this and the bind, nobody takes it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let (first, end) = *RANGE.get_or_init(reserved);
    let size = end - first;
    let start = (std::process::id() * 64 % u32::from(size)) as u16;
    (0..size)
        .map(|_| first + ((u32::from(start) + u32::from(NEXT.fetch_add(1, Relaxed))) % u32::from(size)) as u16)
        .find(|&port| TcpListener::bind(("0.0.0.0", port)).is_ok())
        .expect("a free port")
}

static RANGE: OnceLock<(u16, u16)> = OnceLock::new();

/// The ports below those the system gives away itself: the first, and the one behind the last.
fn reserved() -> (u16, u16) {
    let file = "/proc/sys/net/ipv4/ip_local_port_range";
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{file}: {e}"));
    let lowest: u16 = text.split_whitespace().next().and_then(|low| low.parse().ok()).expect(file);
    // A system may give away nearly all of them; then any is as good as another.
    if lowest > 12_000 { (10_000, lowest) } else { (lowest.max(1024), 65_535) }
}

/// Waits until something listens there.
#[track_caller]
pub(crate) fn wait_listening(port: u16) {
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    super::eventually(&format!("something listens on {addr}"), || TcpStream::connect(addr).ok());
}
