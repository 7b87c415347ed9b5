use crate::support::{
    Gateway, TempDir, Upstream, eventually, fill, frames::GOAWAY, gateway, load::Load, plain, upstream::Gate,
};
use std::time::Duration;

const YAML: &str = r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis: {shop: {path: /, endpoints: [GET /items], versions: {"<version>": {upstream: main}}}}
"#;

fn yaml(up: &Upstream, version: &str) -> String {
    fill(YAML, &[("up", &up.url()), ("version", version)])
}

#[track_caller]
fn serves(gateway: &Gateway, version: &str) {
    eventually(&format!("version {version} is served"), || {
        (gateway.get("/items", &[]).used().as_deref() == Some(version)).then_some(())
    });
}

#[test]
fn sighup_reloads() {
    // The watcher would notice the new file too: an environment variable changes nothing on disk, a signal does.
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    let before = gateway.metrics().sum("vergate_config_last_reload_success_timestamp_seconds", &[]);
    std::thread::sleep(Duration::from_millis(1100));
    gateway.signal(rustix::process::Signal::HUP);
    eventually("a reload is recorded", || {
        (gateway.metrics().sum("vergate_config_last_reload_success_timestamp_seconds", &[]) > before).then_some(())
    });
    gateway.rewrite(&yaml(&up, "2.0"));
    gateway.signal(rustix::process::Signal::HUP);
    serves(&gateway, "2.0");
}

#[test]
fn the_admin_call_reloads_before_it_answers() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    for version in ["2.0", "3.0", "4.0"] {
        gateway.reload(&yaml(&up, version));
        assert_eq!(gateway.get("/items", &[]).used().as_deref(), Some(version));
    }
}

#[test]
fn a_file_renamed_over_the_old_one_is_noticed() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    for version in ["2.0", "3.0"] {
        gateway.rewrite(&yaml(&up, version));
        serves(&gateway, version);
    }
}

#[test]
fn a_file_written_in_place_is_noticed() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    gateway.dir().write("gateway.yaml", &gateway::with_ports(&yaml(&up, "2.0")));
    serves(&gateway, "2.0");
}

#[test]
fn a_symlink_swapped_as_kubernetes_does_is_noticed() {
    // gateway.yaml -> ..data/gateway.yaml, ..data -> ..one; an update makes ..two and renames ..data over.
    let up = Upstream::named("main");
    let dir = TempDir::new();
    let base = dir.path("");
    let place = |name: &str, version: &str| {
        std::fs::create_dir(base.join(name)).unwrap();
        std::fs::write(base.join(name).join("gateway.yaml"), gateway::with_ports(&yaml(&up, version))).unwrap();
        std::os::unix::fs::symlink(name, base.join("..data.tmp")).unwrap();
        std::fs::rename(base.join("..data.tmp"), base.join("..data")).unwrap();
    };
    place("..one", "1.0");
    std::os::unix::fs::symlink("..data/gateway.yaml", dir.path("gateway.yaml")).unwrap();
    let file = dir.path("gateway.yaml");
    let gateway = Gateway::start_on(dir, &file, |_| {});
    serves(&gateway, "1.0");
    for (name, version) in [("..two", "2.0"), ("..three", "3.0")] {
        place(name, version);
        serves(&gateway, version);
    }
}

#[test]
fn files_that_the_configuration_reads_are_watched_too() {
    let up = Upstream::named("main");
    let dir = TempDir::new();
    std::fs::create_dir(dir.path("changes")).unwrap();
    dir.write(
        "changes/one.yaml",
        "{change: one, from: \"1\", to: \"2\", operations: [{match: GET /items, to: GET /one}]}",
    );
    let text = fill(
        r#"
versioning: {resolve: [{header: X-API-Version}]}
upstreams: {main: <up>}
apis:
  shop:
    path: /
    endpoints: [GET /items]
    versions: {"1": {}, "2": {upstream: main, endpoints: [GET /one, GET /two]}}
    changes: [changes/one.yaml]
"#,
        &[("up", &up.url())],
    );
    let gateway = Gateway::start_in(dir, &text, |_| {});
    let target = || {
        assert_eq!(gateway.get("/items", &["X-API-Version: 1"]).status, 200);
        up.last().target
    };
    assert_eq!(target(), "/one");
    gateway.dir().write(
        "changes/one.yaml.new",
        "{change: one, from: \"1\", to: \"2\", operations: [{match: GET /items, to: GET /two}]}",
    );
    std::fs::rename(gateway.dir().path("changes/one.yaml.new"), gateway.dir().path("changes/one.yaml")).unwrap();
    eventually("the new change is in force", || (target() == "/two").then_some(()));
}

#[test]
fn a_bad_file_changes_nothing_and_shows() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    gateway.rewrite("apis: {shop: {nonsense: 1}}");
    eventually("the failed reload shows", || {
        (gateway.metrics().sum("vergate_config_last_reload_successful", &[]) == 0.0).then_some(())
    });
    assert_eq!(gateway.get("/items", &[]).used().as_deref(), Some("1.0"));
    eventually("the log says where", || gateway.stderr().contains("gateway.yaml:").then_some(()));
    gateway.rewrite(&yaml(&up, "2.0"));
    serves(&gateway, "2.0");
    assert_eq!(gateway.metrics().sum("vergate_config_last_reload_successful", &[]), 1.0);
}

#[test]
fn no_request_fails_while_files_are_swapped_under_load() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    let load = Load::start(gateway.addr(), 8, "GET /items HTTP/1.1\r\nHost: h\r\n\r\n".to_owned());
    load.more(200);
    for n in 0..20 {
        gateway.reload(&yaml(&up, if n % 2 == 0 { "2.0" } else { "1.0" }));
        load.more(40);
    }
    assert!(load.done() >= 1000);
    assert_eq!(load.failures(), [""; 0]);
}

#[test]
fn open_connections_survive_and_serve_the_new_file() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&format!("workers: 1\n{}", yaml(&up, "1.0")));
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.read().used().as_deref(), Some("1.0"));
    gateway.reload(&format!("workers: 1\n{}", yaml(&up, "2.0")));
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.read().used().as_deref(), Some("2.0"));
    assert_eq!(up.connections(), 1, "an upstream that did not change keeps its connections");
}

#[test]
fn a_request_in_flight_finishes_on_the_old_file() {
    let gate = Gate::default();
    let held = gate.clone();
    let old = Upstream::new(move |a| {
        held.wait();
        a.reply(200, &[], "old")
    });
    let new = Upstream::named("new");
    let gateway = Gateway::start(&yaml(&old, "1.0"));
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    old.wait(1);
    gateway.reload(&yaml(&new, "2.0"));
    assert_eq!(gateway.get("/items", &[]).text(), "new");
    gate.open();
    let answer = client.read();
    assert_eq!((answer.text().as_str(), answer.used().as_deref()), ("old", Some("1.0")));
}

#[test]
fn a_tunnel_survives_reloads() {
    let up = Upstream::new(|a| {
        a.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        let mut byte = [0];
        while std::io::Read::read_exact(a.stream(), &mut byte).is_ok() {
            a.raw(byte);
        }
        crate::support::Then::Close
    });
    let other = Upstream::named("other");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.read_head().unwrap().unwrap().status, 101);
    for version in ["2.0", "3.0"] {
        gateway.reload(&yaml(&other, version));
        client.write("x");
        assert_eq!(client.read_bytes(1), b"x");
    }
}

#[test]
fn new_listeners_open_and_old_ones_drain() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    let mut kept = gateway.client();
    kept.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(kept.read().status, 200);
    let port = crate::support::tools::free_port();
    let text = format!("listen: 127.0.0.1:{port}\n{}", yaml(&up, "2.0"));
    gateway.reload(&text);
    let new = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let answer = gateway::exchange(new, "GET /items HTTP/1.1\r\n", b"");
    assert_eq!(answer.used().as_deref(), Some("2.0"));
    // What is open on the old one is still served, and told to close; new connections are not taken.
    eventually("it is told to close", || {
        // One that comes together with the order to close may still be answered without a word of it.
        kept.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
        let answer = kept.read();
        assert_eq!(answer.status, 200);
        (answer.header("Connection").as_deref() == Some("close")).then_some(())
    });
    assert!(kept.read_to_close().is_empty());
    eventually("the old listener closes", || std::net::TcpStream::connect(gateway.addr()).is_err().then_some(()));
}

#[test]
fn clients_of_a_listener_that_is_gone_are_parted_with_and_tunnels_are_not() {
    let up = Upstream::new(|a| {
        if a.request.header("Upgrade").is_none() {
            return a.reply(200, &[], "main");
        }
        a.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        let mut byte = [0];
        while std::io::Read::read_exact(a.stream(), &mut byte).is_ok() {
            a.raw(byte);
        }
        crate::support::Then::Close
    });
    let (stays, goes) = (crate::support::tools::free_port(), crate::support::tools::free_port());
    let listen = |listen: String| format!("listen: {listen}\ntimeouts: {{drain_idle: 300ms}}\n{}", yaml(&up, "1.0"));
    let gateway = Gateway::start(&listen(format!("[127.0.0.1:{stays}, 127.0.0.1:{goes}]")));
    let to = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let get = "GET /items HTTP/1.1\r\nHost: h\r\n\r\n";
    let open = |port: u16, text: &str| {
        let mut client = crate::support::Client::connect(to(port));
        client.write(text);
        assert!(matches!(client.read_head().unwrap().unwrap().status, 101 | 200));
        client
    };
    let mut tunnel = open(goes, "GET /items HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    let (mut idle, mut other) = (open(goes, get), open(stays, get));
    for client in [&mut idle, &mut other] {
        assert_eq!(client.read_bytes(4), b"main");
    }
    let mut streams = crate::support::Frames::connect(to(goes));
    streams.still_serves(1);
    gateway.reload(&listen(format!("127.0.0.1:{stays}")));
    streams.until("a GOAWAY without an answer", |frame| frame.kind == GOAWAY && frame.reason() == 0);
    assert!(idle.read_to_close().is_empty(), "closed when its time is over");
    tunnel.write("x");
    assert_eq!(tunnel.read_bytes(1), b"x");
    other.write(get);
    assert_eq!(other.read().header("Connection"), None, "the listener that is left is not concerned");
}

#[test]
fn an_address_is_widened_and_narrowed_under_load_without_a_loss() {
    let up = Upstream::named("main");
    let port = crate::support::tools::free_port();
    let at = |address: &str, version: &str| format!("listen: {address}:{port}\n{}", yaml(&up, version));
    let gateway = Gateway::start(&at("127.0.0.1", "1.0"));
    let to = gateway.addr();
    let head = "GET /items HTTP/1.1\r\nHost: h\r\n";
    let kept = Load::start(to, 4, format!("{head}\r\n"));
    // A new connection for every request: what a closing listener would reset.
    let fresh = Load::start(to, 4, format!("{head}Connection: close\r\n\r\n"));
    let mut opened_first = gateway.client();
    for (address, version) in [("0.0.0.0", "2.0"), ("127.0.0.1", "1.0"), ("0.0.0.0", "2.0")] {
        fresh.more(100);
        gateway.reload(&at(address, version));
        let other = std::net::SocketAddr::from(([127, 0, 0, 2], port));
        match address {
            "0.0.0.0" => drop(std::net::TcpStream::connect(other).unwrap()),
            _ => eventually("the wide address closes", || std::net::TcpStream::connect(other).is_err().then_some(())),
        }
        opened_first.write(format!("{head}\r\n"));
        let answer = opened_first.read();
        assert_eq!(answer.used().as_deref(), Some(version), "open connections are served");
        // A listener that is wider keeps them, one that is narrower does not know whether they came to its address.
        assert_eq!(answer.header("Connection").is_some(), address == "127.0.0.1");
        if address == "127.0.0.1" {
            opened_first = gateway.client();
        }
    }
    fresh.more(100);
    assert!(kept.done() > 100);
    assert_eq!((kept.failures(), fresh.failures()), (vec![], vec![]));
}

#[test]
fn a_listener_that_comes_and_goes_loses_nothing() {
    let up = Upstream::named("main");
    let (kept, other) = (crate::support::tools::free_port(), crate::support::tools::free_port());
    let both = format!("listen: [127.0.0.1:{kept}, 127.0.0.1:{other}]\n{}", yaml(&up, "1.0"));
    let one = format!("listen: 127.0.0.1:{kept}\n{}", yaml(&up, "1.0"));
    let gateway = Gateway::start(&both);
    let load = Load::start(gateway.addr(), 4, "GET /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".into());
    let other = std::net::SocketAddr::from(([127, 0, 0, 1], other));
    for _ in 0..3 {
        let mut open = crate::support::Client::connect(other);
        gateway.reload(&one);
        eventually("it closes", || std::net::TcpStream::connect(other).is_err().then_some(()));
        open.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(open.read().status, 200, "what was accepted is served");
        gateway.reload(&both);
        assert_eq!(gateway::exchange(other, "GET /items HTTP/1.1\r\n", b"").status, 200);
    }
    load.more(50);
    assert_eq!(load.failures(), [""; 0]);
}

#[test]
fn the_admin_port_moves_to_a_wider_address() {
    let up = Upstream::named("main");
    let port = crate::support::tools::free_port();
    let at = |address: &str| {
        format!("admin: {{listen: {address}:{port}, token: 0123456789abcdef0123456789abcdef}}\n{}", yaml(&up, "1.0"))
    };
    let gateway = Gateway::start(&at("127.0.0.1"));
    gateway.rewrite(&at("0.0.0.0"));
    eventually("it answers elsewhere", || {
        let mut client = std::net::TcpStream::connect(("127.0.0.2", port)).ok()?;
        std::io::Write::write_all(&mut client, b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut client, &mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    });
}

#[test]
fn an_address_that_cannot_be_bound_makes_the_file_bad() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!("listen: {}\n{}", taken.local_addr().unwrap(), yaml(&up, "2.0"));
    gateway.rewrite(&text);
    gateway.admin_call("POST", "/api/v1/reload", &[]).problem(422, "config_invalid");
    assert_eq!(gateway.get("/items", &[]).used().as_deref(), Some("1.0"));
}

#[test]
fn expansion_reads_files_and_the_environment() {
    let up = Upstream::named("main");
    let dir = TempDir::new();
    dir.write("upstream.txt", &format!("{}\n", up.url()));
    let text = plain("'${file:upstream.txt}'").replace("\"1.0\"", "\"${NOT_SET_ANYWHERE:-1.5}\"");
    // Keys are not values: only the server is expanded.
    let text =
        text.replace("\"${NOT_SET_ANYWHERE:-1.5}\"", "\"1.5\"").replace("path: /,", "path: '${SHOP_PATH:?set it}',");
    let gateway = Gateway::start_in(dir, &text, |command| {
        command.env("SHOP_PATH", "/items");
    });
    assert_eq!(gateway.get("/items", &[]).used().as_deref(), Some("1.5"));
    gateway.get("/other", &[]).problem(404, "route_unknown");
}

#[test]
fn counters_go_on_over_a_reload() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    let count = |gateway: &Gateway| {
        gateway.metrics().sum("api_requests_by_version_total", &[("version", "1.0"), ("status_code", "200")])
    };
    gateway.get("/items", &[]);
    eventually("one is counted", || (count(&gateway) == 1.0).then_some(()));
    gateway.reload(&format!("limits: {{request_target: 4KiB}}\n{}", yaml(&up, "1.0")));
    gateway.get("/items", &[]);
    eventually("two are counted", || (count(&gateway) == 2.0).then_some(()));
}

#[test]
fn fifty_reloads_leave_no_descriptors_and_no_memory_behind() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count();
    for n in 0..10 {
        gateway.reload(&yaml(&up, if n % 2 == 0 { "2.0" } else { "1.0" }));
        gateway.get("/items", &[]);
    }
    let (open, resident) = (descriptors(), gateway.resident());
    for n in 0..50 {
        gateway.reload(&yaml(&up, if n % 2 == 0 { "2.0" } else { "1.0" }));
        gateway.get("/items", &[]);
    }
    eventually("no more descriptors than before", || (descriptors() <= open + 4).then_some(()));
    assert!(gateway.resident() < resident + (16 << 20), "{resident} -> {}", gateway.resident());
}

#[test]
fn a_file_that_goes_away_and_comes_back_is_noticed() {
    let up = Upstream::named("main");
    let gateway = Gateway::start(&yaml(&up, "1.0"));
    std::fs::remove_file(gateway.dir().path("gateway.yaml")).unwrap();
    eventually("the failed reload shows", || {
        (gateway.metrics().sum("vergate_config_last_reload_successful", &[]) == 0.0).then_some(())
    });
    assert_eq!(gateway.get("/items", &[]).used().as_deref(), Some("1.0"));
    gateway.rewrite(&yaml(&up, "2.0"));
    serves(&gateway, "2.0");
}
