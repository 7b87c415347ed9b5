//! Programs nobody here wrote: nginx, Python, Prometheus.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

/// A child process, killed by its process id when dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Starts a program; a missing one fails loudly, because a test that was skipped looks like one that passed.
    #[track_caller]
    pub(crate) fn start(program: &str, args: &[&str]) -> Self {
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{program}: {e}; scripts/test installs it"));
        Self(child)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        for _ in 0..100 {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
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

/// A port that was free a moment ago, for programs that cannot choose one themselves.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until something listens there.
#[track_caller]
pub(crate) fn wait_listening(port: u16) {
    let addr = SocketAddr::from(([127, 0, 0, 1], port));
    super::eventually(&format!("something listens on {addr}"), || TcpStream::connect(addr).ok());
}
