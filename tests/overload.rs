use crate::support::{Client, Gateway, TempDir, Upstream, eventually, fill, plain, upstream::Gate};
use std::{process::Command, time::Duration};

const GET: &str = "GET /items HTTP/1.1\r\nHost: h\r\n\r\n";

fn ask(client: &mut Client) -> Option<u16> {
    client.stream().set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    client.try_write(GET).ok()?;
    client.try_read(false).ok()?.map(|answer| answer.status)
}

#[test]
fn short_of_descriptors_the_admin_port_answers_and_callers_are_served_again_afterwards() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "late")
    });
    let dir = TempDir::new();
    // Limits that promise more than 200 descriptors can hold.
    let yaml = format!("workers: 1\nlimits: {{connections: 1000, requests_in_flight: 1000}}\n{}", plain(&up.url()));
    let file = dir.write("gateway.yaml", &crate::support::gateway::with_ports(&yaml));
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 200 && exec \"$0\" run -c \"$1\"", env!("CARGO_BIN_EXE_vergate")]).arg(file);
    let gateway = Gateway::spawn(dir, command);
    // Each served one needs two descriptors: its own and the upstream's.
    let mut callers: Vec<Client> = (0..300).map(|_| gateway.client()).collect();
    for caller in &mut callers {
        let _ = caller.try_write(GET);
    }
    eventually("connections are refused", || {
        (gateway.metrics().sum("vergate_connections_refused_total", &[]) > 50.0).then_some(())
    });
    // Many times, on connections of its own each time: the reserve is not used up.
    for _ in 0..20 {
        assert_eq!(gateway.admin_get("/healthz").status, 200);
    }
    eventually("the reserve is free", || {
        (gateway.metrics().sum("process_open_fds", &[]) <= 200.0 - 32.0).then_some(())
    });
    gate.open();
    drop(callers);
    eventually("callers are served again", || (ask(&mut gateway.client()) == Some(200)).then_some(()));
}

#[test]
fn one_connection_cannot_keep_the_others_waiting() {
    const PIPELINED: usize = 8000;
    let up = Upstream::named("main");
    let gateway = Gateway::start(&format!("workers: 1\n{}", plain(&up.url())));
    let mut greedy = gateway.client();
    let mut writer = greedy.stream().try_clone().unwrap();
    let write = std::thread::spawn(move || {
        let _ = std::io::Write::write_all(&mut writer, GET.repeat(PIPELINED).as_bytes());
    });
    assert_eq!(greedy.read().status, 200);
    // New connections and used ones get their turn while the greedy one has thousands to go.
    for _ in 0..5 {
        let mut other = gateway.client();
        assert_eq!(ask(&mut other), Some(200));
        assert_eq!(ask(&mut other), Some(200));
    }
    let served = up.requests().len();
    assert!(served < PIPELINED, "the others waited for all of {served}");
    (1..PIPELINED).for_each(|_| assert_eq!(greedy.read().status, 200));
    write.join().unwrap();
}

fn limited(memory: &str, up: &Upstream) -> String {
    format!("workers: 1\nlimits: {{memory: {memory}}}\n{}", plain(&up.url()))
}

#[track_caller]
fn pressure(gateway: &Gateway, degree: f64) {
    eventually(&format!("memory pressure {degree}"), || {
        (gateway.metrics().sum("vergate_memory_pressure", &[]) == degree).then_some(())
    });
}

#[test]
fn memory_runs_short_in_degrees_and_all_of_them_end_without_a_restart() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        if a.request.target == "/items/held" {
            held.wait();
        }
        a.reply(200, &[], "")
    });
    let gateway = Gateway::start(&limited("unlimited", &up));
    // One is being served all the time: without any, refusing more would be pointless.
    let mut busy = gateway.client();
    busy.write("GET /items/held HTTP/1.1\r\nHost: h\r\n\r\n");
    up.wait(1);
    assert_eq!(gateway.metrics().sum("vergate_memory_limit_bytes", &[]), 0.0);
    let mut client = gateway.client();
    assert_eq!(ask(&mut client), Some(200));
    // The limit comes to the process instead of the other way round: its size hardly changes in between.
    let share = |percent: u64| limited(&(gateway.resident() * 1000 / (percent * 10 + 10)).to_string(), &up);

    eventually("no keep-alive", || {
        gateway.reload(&share(87));
        std::thread::sleep(Duration::from_millis(150));
        (gateway.metrics().sum("vergate_memory_pressure", &[]) == 1.0).then_some(())
    });
    client.write(GET);
    let answer = client.read();
    assert_eq!((answer.status, answer.header("Connection").as_deref()), (200, Some("close")));

    eventually("shedding", || {
        gateway.reload(&share(92));
        std::thread::sleep(Duration::from_millis(150));
        (gateway.metrics().sum("vergate_memory_pressure", &[]) == 2.0).then_some(())
    });
    let answer = gateway.get("/items", &[]);
    assert_eq!(answer.header("Retry-After").as_deref(), Some("1"));
    answer.problem(503, "overloaded");
    assert!(gateway.metrics().sum("vergate_requests_shed_total", &[("reason", "memory")]) >= 1.0);
    let ready = gateway.admin_get("/readyz");
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("\"memory\""), "{}", ready.text());

    gateway.reload(&limited("1MiB", &up));
    pressure(&gateway, 3.0);
    let mut waiting = gateway.client();
    waiting.write(GET);
    waiting.stream().set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(waiting.try_read(false).is_err(), "it waits in the kernel's queue");

    gateway.reload(&limited("unlimited", &up));
    pressure(&gateway, 0.0);
    waiting.stream().set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let answer = waiting.read();
    assert_eq!((answer.status, answer.header("Connection")), (200, None));
    assert!(!gateway.admin_get("/readyz").text().contains("\"memory\""));
    gate.open();
    assert_eq!(busy.read().status, 200);
}

const ADAPTED: &str = r#"
workers: 1
limits: {memory: 128MiB}
timeouts: {request_body: 1m}
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [POST /p]
    versions: {"1.0": {}, "2.0": {upstream: main}}
    changes:
      - {change: c, from: "1.0", to: "2.0", operations: [{match: POST /p, request: [{rename: {a: b}}]}]}
"#;

#[test]
fn callers_that_fill_memory_are_refused_before_it_runs_out() {
    const BODY: usize = 2 << 20;
    let up = Upstream::json("{}");
    let gateway = Gateway::start(&fill(ADAPTED, &[("up", &up.url())]));
    let head = format!(
        "POST /p HTTP/1.1\r\nHost: h\r\nX-API-Version: 1.0\r\nContent-Type: application/json\r\nContent-Length: {BODY}\r\n\r\n"
    );
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(BODY - 8));
    let open = || {
        let mut client = gateway.client();
        client.stream().set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        // All but the last byte: the gateway holds it.
        let _ = client.try_write(&head).and_then(|()| client.try_write(&body[..BODY - 1]));
        let answered = client.try_read(false).ok().flatten().map(|answer| answer.status);
        (client, answered)
    };
    let mut held = Vec::new();
    let refused = loop {
        assert!(held.len() < 100, "{} MiB are held and nobody is refused", held.len() * 2);
        match open() {
            (client, None) if gateway.metrics().sum("vergate_memory_pressure", &[]) < 3.0 => held.push(client),
            (_, answered) => break answered,
        }
    };
    assert!(held.len() > 10, "{refused:?} after {}", held.len());
    assert!(matches!(refused, Some(503) | None), "{refused:?}");
    assert!(gateway.resident() < 128 << 20, "{} MiB", gateway.resident() >> 20);
    // Those that were let in are served, and with them gone there is room again.
    for mut client in held {
        client.stream().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write(&body[BODY - 1..]);
        assert_eq!(client.read().status, 200);
    }
    pressure(&gateway, 0.0);
    let (mut client, answered) = open();
    assert_eq!(answered, None);
    client.stream().set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write(&body[BODY - 1..]);
    assert_eq!(client.read().status, 200);
}
