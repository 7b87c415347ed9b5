use crate::support::{
    Client, Gateway, TempDir, eventually, fill, long,
    tools::{Running, free_port, wait_listening},
};
use rustix::process::Signal;
use std::{
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// What a caller saw of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// 200 with its own number.
    Own,
    /// A problem of the gateway with its own request's id.
    Problem,
    /// Nobody listens.
    Refused,
    /// The connection closed instead of an answer.
    Closed,
    /// The answer broke off.
    Cut,
}
use Outcome::{Closed, Cut, Own, Problem, Refused};
const OUTCOMES: [Outcome; 5] = [Own, Problem, Refused, Closed, Cut];

/// What happens, and what callers may see of it. Somebody else's answer is never allowed.
const PHASES: [(&str, &[Outcome]); 4] = [
    ("reloads", &[Own]),
    ("backend killed", &[Own, Problem, Cut]),
    ("gateway restarted", &[Own, Problem, Refused, Closed]),
    ("gateway killed", &[Own, Problem, Refused, Closed, Cut]),
];

/// Outcomes counted by phase, and what is never allowed.
#[derive(Default)]
struct Tally {
    phase: AtomicUsize,
    counts: [[AtomicU64; 5]; 4],
    wrong: Mutex<Vec<String>>,
    stop: AtomicBool,
    next: AtomicU64,
    /// How many requests each caller has finished.
    turns: [AtomicU64; CALLERS],
}

const CALLERS: usize = 6;

/// Stops the callers, also when the test fails: a scope waits for them.
struct End<'t>(&'t AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Tally {
    /// `before`: the phase in which the request was written; it may end in the next one.
    fn count(&self, before: usize, outcome: Outcome, what: &str) {
        let after = self.phase.load(Ordering::SeqCst);
        let Some(phase) = [before, after].into_iter().find(|p| PHASES[*p].1.contains(&outcome)) else {
            return self.wrong.lock().unwrap().push(format!("{}: {outcome:?} {what}", PHASES[before].0));
        };
        let column = OUTCOMES.iter().position(|o| *o == outcome).unwrap();
        self.counts[phase][column].fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until no caller is within a request that began before now.
    fn passes(&self) {
        let turns = || self.turns.each_ref().map(|turns| turns.load(Ordering::SeqCst));
        let before = turns();
        eventually("every caller goes on", || {
            before.iter().zip(turns()).all(|(before, now)| now > before + 1).then_some(())
        });
    }

    fn answered(&self) -> u64 {
        self.counts.iter().map(|phase| phase[0].load(Ordering::Relaxed)).sum()
    }

    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }
}

/// nginx with one worker that answers every request with its own target; killed and started again at will.
struct Backend {
    dir: TempDir,
    port: u16,
    running: Option<Running>,
}

impl Backend {
    fn start() -> Self {
        let (dir, port) = (TempDir::new(), free_port());
        let root = dir.path("").display().to_string();
        dir.write(
            "nginx.conf",
            &format!(
                "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log;\n\
                 events {{ worker_connections 512; }}\n\
                 http {{ access_log off; keepalive_requests 1000000; client_body_temp_path {root}/t1; proxy_temp_path {root}/t2;\n\
                   fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;\n\
                   server {{ listen 127.0.0.1:{port} reuseport; location / {{ return 200 $request_uri; }} }} }}\n"
            ),
        );
        let mut backend = Self { dir, port, running: None };
        backend.again();
        backend
    }

    fn again(&mut self) {
        let (conf, root) = (self.dir.path("nginx.conf"), self.dir.path(""));
        self.running = Some(Running::start("nginx", &["-c", conf.to_str().unwrap(), "-p", root.to_str().unwrap()]));
        wait_listening(self.port);
    }

    fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }
}

const YAML: &str = r#"
listen: <listen>
workers: 2
log: {requests: off}
timeouts: {connect: 5s, response: 15s, keep_alive: <idle>}
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: {servers: [<servers>]}, spare: {servers: [<servers>]}}
apis: {shop: {path: /, endpoints: ['GET /items/{id}'], versions: {<versions>}}}
"#;

/// Configurations that differ in versions, servers, pools and timeouts, and all serve every request.
fn yaml(listen: SocketAddr, backends: &[Backend; 2], turn: usize) -> String {
    let url = |n: usize| format!("http://127.0.0.1:{}", backends[n].port);
    let servers = [
        format!("{}, {}", url(0), url(1)),
        format!("{}, {}", url(1), url(0)),
        format!("{{url: {}, weight: 3}}, {}", url(0), url(1)),
    ];
    let versions = [
        "\"1.0\": {upstream: main}",
        "\"1.0\": {upstream: spare}, \"2.0\": {upstream: main}",
        "\"3.0\": {upstream: spare}",
    ];
    fill(
        YAML,
        &[
            ("listen", &listen.to_string()),
            ("idle", ["75s", "60s"][turn % 2]),
            ("servers", &servers[turn % 3]),
            ("versions", versions[(turn / 2) % 3]),
        ],
    )
}

struct World {
    gateway: Gateway,
    backends: [Backend; 2],
    listen: SocketAddr,
    turn: usize,
}

impl World {
    fn start() -> Self {
        let backends = [Backend::start(), Backend::start()];
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let gateway = Gateway::start(&yaml(listen, &backends, 0));
        Self { gateway, backends, listen, turn: 0 }
    }

    fn again(&mut self) {
        self.gateway = Gateway::start(&yaml(self.listen, &self.backends, self.turn));
    }

    /// A changed file and a SIGHUP, every `pause`.
    fn reloads(&mut self, length: Duration, pause: Duration) {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.turn += 1;
            self.gateway.rewrite(&yaml(self.listen, &self.backends, self.turn));
            self.gateway.signal(Signal::HUP);
            std::thread::sleep(pause);
        }
        assert_eq!(self.gateway.metrics().sum("vergate_config_last_reload_successful", &[]), 1.0);
    }

    fn kills_a_backend(&mut self, length: Duration) {
        let victim = &mut self.backends[self.turn % 2];
        victim.kill();
        std::thread::sleep(length / 2);
        victim.again();
        std::thread::sleep(length / 2);
    }

    fn restarts(&mut self, length: Duration) {
        self.gateway.signal(Signal::TERM);
        assert_eq!(self.gateway.wait().code(), Some(0), "{}", self.gateway.stderr());
        self.again();
        std::thread::sleep(length);
    }

    fn is_killed(&mut self, length: Duration) {
        self.gateway.kill();
        self.again();
        std::thread::sleep(length);
    }
}

/// A caller on a kept connection, until it is stopped.
fn call(to: SocketAddr, tally: &Tally, caller: usize) {
    let mut client: Option<Client> = None;
    while !tally.stop.load(Ordering::SeqCst) {
        tally.turns[caller].fetch_add(1, Ordering::SeqCst);
        let id = tally.next.fetch_add(1, Ordering::Relaxed);
        let phase = tally.phase.load(Ordering::SeqCst);
        let Some(connection) = client.take().or_else(|| Client::try_connect(to).ok()) else {
            tally.count(phase, Refused, "");
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        client = one(connection, tally, phase, id);
    }
}

/// One request; the connection, if it goes on.
fn one(mut client: Client, tally: &Tally, phase: usize, id: u64) -> Option<Client> {
    let sent = client.try_write(format!("GET /items/{id} HTTP/1.1\r\nHost: h\r\nX-Request-Id: chaos-{id}\r\n\r\n"));
    let head = match sent.and_then(|()| client.read_head()) {
        Ok(Some(head)) => head,
        Ok(None) => {
            tally.count(phase, Closed, "");
            return None;
        }
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            tally.count(phase, Cut, "in its head");
            return None;
        }
        Err(e) => {
            tally.count(phase, Closed, &e.to_string());
            return None;
        }
    };
    let answer = match client.read_body(head, false) {
        Ok(answer) => answer,
        Err(e) => {
            tally.count(phase, Cut, &e.to_string());
            return None;
        }
    };
    let text = answer.text();
    if answer.header("X-Request-Id") != Some(format!("chaos-{id}")) {
        tally.wrong(format!("request {id} got {}{text}", answer.head.raw));
    } else if answer.status == 200 && text == format!("/items/{id}") {
        tally.count(phase, Own, "");
    } else if matches!(answer.status, 502..=504) && text.contains(&format!("chaos-{id}\"")) {
        tally.count(phase, Problem, &text);
    } else {
        tally.wrong(format!("request {id} got {} {text:?}", answer.status));
    }
    let closes = answer.header("Connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
    (!closes).then_some(client)
}

/// `just chaos 10` runs it for ten minutes.
#[test]
fn reloads_lose_nothing_and_crashes_end_in_defined_ways() {
    let mut run = long::Run::of(long::length("VERGATE_CHAOS_MINUTES", Duration::from_secs(5)));
    let is_long = std::env::var_os("VERGATE_CHAOS_MINUTES").is_some();
    let (reload, pause, rest) = if is_long { (10, 1000, 2000) } else { (2, 150, 500) };
    let (reload, pause, rest) =
        (Duration::from_secs(reload), Duration::from_millis(pause), Duration::from_millis(rest));
    let mut world = World::start();
    let tally = Tally::default();
    std::thread::scope(|scope| {
        let (to, tally) = (world.listen, &tally);
        let _end = End(&tally.stop);
        for caller in 0..CALLERS {
            scope.spawn(move || call(to, tally, caller));
        }
        let settles = || {
            let before = tally.answered();
            eventually("it serves again", || (tally.answered() > before + 100).then_some(()));
            tally.passes();
        };
        let enter = |phase: usize| tally.phase.store(phase, Ordering::SeqCst);
        while !run.is_over() && tally.wrong.lock().unwrap().is_empty() {
            world.reloads(reload, pause);
            enter(1);
            world.kills_a_backend(rest);
            settles();
            enter(2);
            world.restarts(rest);
            settles();
            enter(3);
            world.is_killed(rest);
            settles();
            enter(0);
            if is_long && run.is_due() {
                println!("{:>5} s, {} answered", run.seconds(), tally.answered());
            }
        }
    });
    println!("{:<18} {:>9} {:>9} {:>9} {:>9} {:>9}", "phase", "own", "problem", "refused", "closed", "cut");
    for ((name, _), counts) in PHASES.iter().zip(&tally.counts) {
        print!("{name:<18}");
        counts.iter().for_each(|n| print!(" {:>9}", n.load(Ordering::Relaxed)));
        println!();
    }
    let wrong = tally.wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    assert!(tally.counts.iter().all(|phase| phase[0].load(Ordering::Relaxed) > 50), "every phase served");
}
