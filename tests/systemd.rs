use crate::support::{Client, Gateway, TempDir, Upstream, plain};
use rustix::process::Signal;
use std::{
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::{Command, Stdio},
    time::Duration,
};

const GET: &str = "GET /items HTTP/1.1\r\nHost: h\r\n\r\n";

/// What a service manager would hear.
struct Manager(UnixDatagram);

impl Manager {
    fn new(dir: &TempDir) -> Self {
        let socket = UnixDatagram::bind(dir.path("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(socket)
    }

    #[track_caller]
    fn hears(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).expect("the manager is told");
        String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
    }
}

fn start(dir: TempDir, yaml: &str, variables: &[(&str, &str)]) -> Gateway {
    let notify = dir.path("notify");
    Gateway::start_in(dir, yaml, |command| {
        command.env("NOTIFY_SOCKET", notify).envs(variables.iter().copied());
    })
}

#[test]
fn the_manager_is_told_of_readiness_reloads_and_the_end() {
    let (up, dir) = (Upstream::named("main"), TempDir::new());
    let manager = Manager::new(&dir);
    let mut gateway = start(dir, &plain(&up.url()), &[]);
    let ready = manager.hears();
    assert_eq!(ready[0], "READY=1");
    assert!(ready[1].contains(&gateway.addr().to_string()), "{ready:?}");

    gateway.signal(Signal::HUP);
    let reloading = manager.hears();
    assert_eq!(reloading[0], "RELOADING=1");
    let stamp = reloading[1].strip_prefix("MONOTONIC_USEC=").expect("systemd ignores a reload without its stamp");
    assert!(stamp.parse::<u64>().unwrap() > 0);
    assert_eq!(manager.hears()[0], "READY=1");

    // A bad file ends a reload too: the old one serves on, and the status says why.
    gateway.rewrite("apis: {shop: {nonsense: 1}}");
    assert_eq!(manager.hears()[0], "RELOADING=1");
    let ready = manager.hears();
    assert_eq!(ready[0], "READY=1");
    assert!(ready[1].contains("failed"), "{ready:?}");

    gateway.signal(Signal::TERM);
    let stopping = manager.hears();
    assert_eq!(stopping[0], "STOPPING=1");
    // 30 s of drain and some for the rest, whatever `TimeoutStopSec` says.
    assert!(stopping.contains(&"EXTEND_TIMEOUT_USEC=40000000".to_owned()), "{stopping:?}");
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn the_watchdog_is_patted_in_time() {
    let (up, dir) = (Upstream::named("main"), TempDir::new());
    let manager = Manager::new(&dir);
    let _gateway = start(dir, &plain(&up.url()), &[("WATCHDOG_USEC", "400000")]);
    assert_eq!(manager.hears()[0], "READY=1");
    let started = std::time::Instant::now();
    for _ in 0..4 {
        assert_eq!(manager.hears(), ["WATCHDOG=1"]);
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

/// Starts the gateway with `sockets` as systemd does: from descriptor 3 on, named in the environment.
pub(crate) fn activate(yaml: &str, sockets: &[(&str, &TcpListener)]) -> Gateway {
    let dir = TempDir::new();
    let file = dir.write("gateway.yaml", &crate::support::gateway::with_ports(yaml));
    Gateway::spawn(dir, activated(sockets, &file))
}

fn activated(sockets: &[(&str, &TcpListener)], file: &std::path::Path) -> Command {
    // Python puts descriptor 0, and 1 and 2 of a shell's making, in their places; LISTEN_PID survives the exec.
    const EXEC: &str = "import os, sys
names, argv = sys.argv[1], sys.argv[2:]
os.dup2(0, 3)
os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=names)
os.execv(argv[0], argv)";
    let [(name, socket)] = sockets else { panic!("one socket fits through stdin") };
    let mut command = Command::new("python3");
    command.args(["-c", EXEC, *name, env!("CARGO_BIN_EXE_vergate"), "run", "-c"]).arg(file);
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    command
}

#[test]
fn a_restart_behind_a_socket_unit_refuses_nobody() {
    let up = Upstream::named("main");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    // Two workers share the one socket.
    let yaml = format!("listen: {at}\nworkers: 2\ntimeouts: {{drain_idle: 0s}}\n{}", plain(&up.url()));
    let ask = |client: &mut Client| {
        client.write(GET);
        assert_eq!(client.read().status, 200);
    };
    // Asked before the gateway runs.
    let mut early = Client::connect(at);
    for _ in 0..2 {
        let mut gateway = activate(&yaml, &[("", &socket)]);
        assert_eq!(gateway.addr(), at);
        ask(&mut early);
        (0..8).for_each(|_| ask(&mut Client::connect(at)));
        gateway.signal(Signal::TERM);
        assert_eq!(gateway.wait().code(), Some(0));
        // The next start finds it in the queue, not reset and not refused.
        early = Client::connect(at);
    }
}

#[test]
fn the_admin_port_may_be_activated_too() {
    let up = Upstream::named("main");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = activate(&plain(&up.url()), &[("admin", &socket)]);
    assert_eq!(gateway.admin, socket.local_addr().unwrap());
    assert_eq!(gateway.admin_get("/readyz").status, 200);
}

#[test]
fn a_socket_nobody_would_accept_on_stops_the_start() {
    let up = Upstream::named("main");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let at: SocketAddr = socket.local_addr().unwrap();
    let dir = TempDir::new();
    let file = dir.write("gateway.yaml", &crate::support::gateway::with_ports(&plain(&up.url())));
    let output = activated(&[("", &socket)], &file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&at.to_string()) && said.contains("socket unit"), "{said}");
    // Sockets meant for another process are none of ours.
    let gateway = Gateway::start_in(dir, &plain(&up.url()), |command| {
        command.envs([("LISTEN_FDS", "1"), ("LISTEN_PID", "1")]);
    });
    assert_eq!(gateway.get("/items", &[]).status, 200);
}
