use crate::support::{Gate, Gateway, TempDir, Then, Upstream, eventually, plain};
use rustix::process::Signal;
use std::process::{Command, Stdio};

/// A gateway whose stderr has lost its reader: all it says from now on fails with EPIPE.
fn deaf(yaml: &str) -> Gateway {
    let gateway = Gateway::start_in(TempDir::new(), yaml, |command| {
        let mut shell = Command::new("bash");
        // `head` passes on the line that names the addresses, and leaves.
        shell.args(["-c", r#"exec "$0" "$@" 2> >(head -n 1 >&2)"#]);
        shell.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        *command = shell;
    });
    let pid = gateway.pid();
    eventually("the reader leaves", || {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let is_dead =
            |child: &str| std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|s| s.contains(") Z "));
        children.split_whitespace().all(is_dead).then_some(())
    });
    gateway
}

fn garbled() -> Upstream {
    Upstream::new(|answer| {
        if !answer.request.target.contains("garbage") {
            return answer.reply(200, &[], "fine");
        }
        answer.raw("garbage\r\n\r\n");
        Then::Close
    })
}

#[test]
fn errors_are_answered_when_nobody_reads_stderr() {
    let backend = garbled();
    let gateway = deaf(&plain(&backend.url()));
    for _ in 0..3 {
        gateway.get("/items/garbage", &[]).problem(502, "upstream_invalid_response");
        assert_eq!(gateway.get("/items", &[]).status, 200);
    }
    assert_eq!(gateway.metrics().sum("api_requests_by_version_total", &[("status_code", "502")]), 3.0);
}

#[test]
fn reloads_work_when_nobody_reads_stderr() {
    let backend = garbled();
    let mut gateway = deaf(&plain(&backend.url()));
    gateway.reload(&format!("limits: {{request_header: 16KiB}}\n{}", plain(&backend.url())));
    gateway.rewrite("apis: 7\n");
    assert_eq!(gateway.admin_call("POST", "/api/v1/reload", &[]).status, 422);
    let failed = || gateway.metrics().sum("vergate_config_last_reload_successful", &[]) == 0.0;
    assert!(failed());
    gateway.rewrite(&plain(&backend.url()));
    gateway.signal(Signal::HUP);
    eventually("SIGHUP reloads", || (!failed()).then_some(()));
    assert_eq!(gateway.get("/items", &[]).status, 200);
    assert!(!gateway.has_exited());
}

#[test]
fn a_signal_drains_when_nobody_reads_stderr() {
    let gate = Gate::default();
    let held = gate.clone();
    let up = Upstream::new(move |answer| {
        held.wait();
        answer.reply(200, &[], "late")
    });
    let mut gateway = deaf(&plain(&up.url()));
    let mut client = gateway.client();
    client.write("GET /items HTTP/1.1\r\nHost: h\r\n\r\n");
    up.wait(1);
    gateway.signal(Signal::TERM);
    eventually("it drains", || (gateway.admin_get("/readyz").status == 503).then_some(()));
    gate.open();
    assert_eq!(client.read().text(), "late");
    assert_eq!(gateway.wait().code(), Some(0));
}
