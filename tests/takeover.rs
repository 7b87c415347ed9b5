use crate::support::{Client, Gateway, TempDir, Upstream, eventually, load::Load, plain, upstream::Gate, vergate};
use rustix::process::Signal;
use std::{io::Read, os::unix::net::UnixStream, path::Path};

const GET: &str = "GET /items HTTP/1.1\r\nHost: h\r\n\r\n";
const GET_ONCE: &str = "GET /items HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

fn yaml(door: &Path, up: &Upstream, more: &str) -> String {
    format!("{more}admin: {{listen: 127.0.0.1:0, takeover: {}}}\n{}", door.display(), plain(&up.url()))
}

fn successor(yaml: &str) -> Gateway {
    Gateway::start_in(TempDir::new(), yaml, |command| {
        command.arg("--takeover");
    })
}

#[test]
fn a_second_gateway_takes_the_place_of_the_first_under_load_without_a_loss() {
    let (up, place) = (Upstream::named("main"), TempDir::new());
    let door = place.path("door");
    let mut first = Gateway::start(&yaml(&door, &up, "workers: 2\n"));
    let kept = Load::start(first.addr(), 4, GET.to_owned());
    // A new connection for every request: what a queue that is reset would lose.
    let fresh = Load::start(first.addr(), 6, GET_ONCE.to_owned());
    // More workers, then fewer: the sockets are shared out, none is left.
    for workers in ["workers: 3\n", "workers: 1\n"] {
        fresh.more(300);
        let mut next = successor(&yaml(&door, &up, workers));
        assert_eq!(next.addr(), first.addr(), "the free port that was found stays");
        assert_eq!(next.admin, first.admin);
        assert_eq!(first.wait().code(), Some(0));
        eventually("it says what it did", || next.stderr().contains("took over").then_some(()));
        assert_eq!(next.admin_get("/readyz").status, 200);
        assert!(!next.has_exited());
        first = next;
    }
    fresh.more(300);
    kept.more(100);
    assert_eq!((kept.failures(), fresh.failures()), (vec![], vec![]));
}

#[test]
fn what_the_first_serves_is_finished_by_it() {
    let (gate, place) = (Gate::default(), TempDir::new());
    let held = gate.clone();
    let up = Upstream::new(move |a| {
        if a.request.target == "/items/held" {
            held.wait();
        }
        a.reply(200, &[], "done")
    });
    let door = place.path("door");
    let mut first = Gateway::start(&yaml(&door, &up, "timeouts: {drain_idle: 20s}\n"));
    let mut busy = first.client();
    busy.write("GET /items/held HTTP/1.1\r\nHost: h\r\n\r\n");
    let mut idle = first.client();
    idle.write(GET);
    assert_eq!(idle.read().header("Connection"), None);
    up.wait(2);
    let second = successor(&yaml(&door, &up, ""));
    // Both an idle connection of the first and a new one of the second are served.
    eventually("the idle one is told to leave", || {
        // The second serves a moment before the first begins to drain.
        idle.write(GET);
        let answer = idle.read();
        assert_eq!(answer.status, 200);
        (answer.header("Connection").as_deref() == Some("close")).then_some(())
    });
    assert_eq!(second.get("/items", &[]).status, 200);
    assert!(!first.has_exited());
    gate.open();
    assert_eq!(busy.read().text(), "done");
    assert_eq!(first.wait().code(), Some(0));
    assert!(door.exists(), "the door is the second one's now");
    drop(second);
}

#[test]
fn a_newcomer_that_fails_changes_nothing() {
    let (up, place) = (Upstream::named("main"), TempDir::new());
    let door = place.path("door");
    let mut gateway = Gateway::start(&yaml(&door, &up, ""));
    // One that only looks, and one that dies once it has the sockets.
    drop(UnixStream::connect(&door).unwrap());
    let mut dying = UnixStream::connect(&door).unwrap();
    let mut length = [0; 4];
    dying.read_exact(&mut length).unwrap();
    let mut manifest = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
    dying.read_exact(&mut manifest).unwrap();
    assert!(String::from_utf8(manifest).unwrap().contains("\"groups\""));
    drop(dying);
    // One with nonsense in the place of what it has taken.
    let mut rude = UnixStream::connect(&door).unwrap();
    rude.read_exact(&mut length).unwrap();
    std::io::Write::write_all(&mut rude, &[0xff; 64]).unwrap();
    eventually("it is turned away", || gateway.stderr().contains("came to nothing").then_some(()));
    assert_eq!(gateway.get("/items", &[]).status, 200);
    assert_eq!(gateway.admin_get("/readyz").status, 200);
    // And a good one still can.
    let second = successor(&yaml(&door, &up, ""));
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(second.get("/items", &[]).status, 200);
}

#[test]
fn two_gateways_meet_only_if_asked_to() {
    let (up, place) = (Upstream::named("main"), TempDir::new());
    let door = place.path("door");
    // Nobody is there: it starts as usual, also over a socket a killed gateway left behind.
    drop(std::os::unix::net::UnixListener::bind(&door).unwrap());
    let mut first = successor(&yaml(&door, &up, ""));
    eventually("it says so", || first.stderr().contains("no gateway to take over from").then_some(()));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&door).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    let dir = TempDir::new();
    dir.write("gateway.yaml", &format!("listen: 127.0.0.1:0\n{}", yaml(&door, &up, "")));
    let (code, _, err) = vergate(&dir, &["run"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("--takeover"), "{err}");

    dir.write("gateway.yaml", &crate::support::gateway::with_ports(&plain(&up.url())));
    let (code, _, err) = vergate(&dir, &["run", "--takeover"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("admin.takeover"), "{err}");

    first.signal(Signal::TERM);
    assert_eq!(first.wait().code(), Some(0));
    assert!(!door.exists(), "it cleans up behind itself");
}

#[test]
fn the_door_moves_with_a_reload_and_a_successor_may_listen_elsewhere() {
    let (up, place) = (Upstream::named("main"), TempDir::new());
    let (old, new) = (place.path("old"), place.path("new"));
    let mut first = Gateway::start(&yaml(&old, &up, ""));
    first.reload(&yaml(&new, &up, ""));
    assert!(new.exists() && !old.exists());
    let other = crate::support::tools::free_port();
    let second = successor(&yaml(&new, &up, &format!("listen: 127.0.0.1:{other}\n")));
    assert_eq!(second.addr().port(), other);
    assert_eq!(first.wait().code(), Some(0), "what nobody took is closed with the first");
    assert!(std::net::TcpStream::connect(first.addr()).is_err());
    let mut client = Client::connect(second.addr());
    client.write(GET);
    assert_eq!(client.read().status, 200);
}
