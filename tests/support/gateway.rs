//! The program under test as an operator runs it: a file, arguments, signals, its two output streams.

use super::{Client, Response, TempDir, eventually, metrics::Metrics};
use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

type Lines = Arc<Mutex<Vec<String>>>;

/// A running gateway; killed by its process id when dropped.
pub(crate) struct Gateway {
    child: Child,
    dir: TempDir,
    /// The data listeners' addresses, in the file's order.
    pub(crate) listeners: Vec<SocketAddr>,
    pub(crate) admin: SocketAddr,
    stdout: Lines,
    stderr: Lines,
}

impl Gateway {
    /// Starts `vergate run` on this configuration. Ports are free ones unless the text names them.
    #[track_caller]
    pub(crate) fn start(yaml: &str) -> Self {
        Self::start_in(TempDir::new(), yaml, |_| {})
    }

    /// As `start`, in a directory the test has already filled, with the command changed by `with`.
    #[track_caller]
    pub(crate) fn start_in(dir: TempDir, yaml: &str, with: impl FnOnce(&mut Command)) -> Self {
        let file = dir.write("gateway.yaml", &with_ports(yaml));
        Self::start_on(dir, &file, with)
    }

    /// As `start_in`, on a file the test has written itself.
    #[track_caller]
    pub(crate) fn start_on(dir: TempDir, file: &Path, with: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vergate"));
        command.arg("run").arg("-c").arg(file).stdin(Stdio::null());
        with(&mut command);
        Self::spawn(dir, command)
    }

    #[track_caller]
    pub(crate) fn spawn(dir: TempDir, mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("VERGATE_ADMIN_TOKEN");
        let mut child = command.spawn().unwrap();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        let addresses = wait_for_addresses(&mut child, &stderr);
        let (admin, listeners) = addresses.split_last().expect("addresses were announced");
        Self { child, dir, listeners: listeners.to_vec(), admin: *admin, stdout, stderr }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.listeners[0]
    }

    pub(crate) fn dir(&self) -> &TempDir {
        &self.dir
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.addr())
    }

    /// One request on a connection of its own. `head` is everything but the Host line and the closing empty line.
    #[track_caller]
    pub(crate) fn send(&self, head: &str, body: impl AsRef<[u8]>) -> Response {
        exchange(self.addr(), head, body.as_ref())
    }

    /// GET with field lines.
    #[track_caller]
    pub(crate) fn get(&self, target: &str, fields: &[&str]) -> Response {
        self.call("GET", target, fields, "")
    }

    /// Any method with field lines; a body brings its Content-Length.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, target: &str, fields: &[&str], body: impl AsRef<[u8]>) -> Response {
        self.send(&head(method, target, fields, body.as_ref()), body)
    }

    #[track_caller]
    pub(crate) fn post_json(&self, target: &str, fields: &[&str], body: &str) -> Response {
        let mut all = vec!["Content-Type: application/json"];
        all.extend_from_slice(fields);
        self.call("POST", target, &all, body)
    }

    #[track_caller]
    pub(crate) fn admin_call(&self, method: &str, target: &str, fields: &[&str]) -> Response {
        exchange(self.admin, &head(method, target, fields, b""), b"")
    }

    #[track_caller]
    pub(crate) fn admin_get(&self, target: &str) -> Response {
        self.admin_call("GET", target, &[])
    }

    #[track_caller]
    pub(crate) fn metrics(&self) -> Metrics {
        let answer = self.admin_get("/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        Metrics::parse(&answer.text())
    }

    /// Replaces the file by renaming a new one over it, as editors and deployment tools do.
    pub(crate) fn rewrite(&self, yaml: &str) {
        let text = with_ports(yaml);
        let new = self.dir.write("gateway.yaml.new", &text);
        std::fs::rename(new, self.dir.path("gateway.yaml")).unwrap();
    }

    /// Asks the admin port to reload and wants success.
    #[track_caller]
    pub(crate) fn reload(&self, yaml: &str) {
        self.rewrite(yaml);
        let answer = self.admin_call("POST", "/api/v1/reload", &[]);
        assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.text());
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Lets none of its threads run any more, until it gets a `CONT`.
    #[track_caller]
    pub(crate) fn stop(&self) {
        self.signal(rustix::process::Signal::STOP);
        let tasks = format!("/proc/{}/task", self.pid());
        let is_stopped = |task: std::fs::DirEntry| {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("State:\tT"))
        };
        super::eventually("every thread has stopped", || {
            std::fs::read_dir(&tasks).unwrap().all(|task| is_stopped(task.unwrap())).then_some(())
        });
    }

    /// Ends the process as a crash would: no drain, no goodbye.
    pub(crate) fn kill(&mut self) {
        self.signal(rustix::process::Signal::KILL);
        let _ = self.child.wait();
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Waits for the end of the process.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the gateway exits", || self.child.try_wait().unwrap())
    }

    pub(crate) fn has_exited(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().join("\n")
    }

    /// The access-log line for which `wanted` holds, once it is written.
    #[track_caller]
    pub(crate) fn log_line(&self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        eventually("an access-log line", || {
            self.stdout().iter().filter_map(|l| serde_json::from_str(l).ok()).find(|line| wanted(line))
        })
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let errors = self.stderr();
        if std::thread::panicking() {
            eprintln!("--- the gateway's stderr ---\n{errors}");
        } else {
            assert!(!errors.contains("panicked at"), "the gateway panicked:\n{errors}");
        }
    }
}

/// Runs a verb to its end: exit code, stdout, stderr.
#[track_caller]
pub(crate) fn vergate(dir: &TempDir, args: &[&str]) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vergate"))
        .args(args)
        .current_dir(dir.path(""))
        .env_remove("VERGATE_ADMIN_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let read = |mut from: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = from.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let (out, err) = (read(Box::new(child.stdout.take().unwrap())), read(Box::new(child.stderr.take().unwrap())));
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("vergate {args:?} did not end:\n{}\n{}", out.join().unwrap(), err.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    (status.code().unwrap_or(-1), out.join().unwrap(), err.join().unwrap())
}

/// The file of a configuration with free ports, in a directory of its own.
pub(crate) fn file(yaml: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new();
    let path = dir.write("gateway.yaml", yaml);
    (dir, path)
}

/// Adds free ports to a configuration that names none.
pub(crate) fn with_ports(yaml: &str) -> String {
    let has = |key: &str| yaml.starts_with(key) || yaml.contains(&format!("\n{key}"));
    let listen = if has("listen:") { "" } else { "listen: 127.0.0.1:0\n" };
    let admin = if has("admin:") { "" } else { "admin: {listen: 127.0.0.1:0, requests_per_second: 1000}\n" };
    format!("{listen}{admin}{yaml}")
}

pub(crate) fn head(method: &str, target: &str, fields: &[&str], body: &[u8]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head
}

#[track_caller]
pub(crate) fn exchange(to: SocketAddr, head: &str, body: &[u8]) -> Response {
    let mut client = Client::connect(to);
    let has_host = head.to_ascii_lowercase().contains("\r\nhost:");
    let host = if has_host { String::new() } else { format!("Host: {to}\r\n") };
    client.write([format!("{head}{host}\r\n").as_bytes(), body].concat());
    if head.starts_with("HEAD ") { client.read_of_head() } else { client.read() }
}

fn collect(from: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let shared = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            shared.lock().unwrap().push(line);
        }
    });
    lines
}

#[track_caller]
fn wait_for_addresses(child: &mut Child, stderr: &Lines) -> Vec<SocketAddr> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let lines = stderr.lock().unwrap().clone();
        if let Some(found) = lines.iter().map(|l| addresses(l)).find(|a| a.len() >= 2) {
            return found;
        }
        if child.try_wait().unwrap().is_some() || Instant::now() > deadline {
            let _ = child.kill();
            let said = stderr.lock().unwrap().join("\n");
            panic!("the gateway did not start:\n{said}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every `address:port` of a line, in order.
pub(crate) fn addresses(line: &str) -> Vec<SocketAddr> {
    line.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
        .filter_map(|word| word.trim_matches([':', '.']).parse().ok())
        .collect()
}
