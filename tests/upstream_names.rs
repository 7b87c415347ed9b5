use crate::support::{Gate, Gateway, Response, TempDir, Upstream, eventually, fill, tools::free_port};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

/// A gateway for which `svc.test` is what the test says. The resolver it runs with reads names from a file
/// (libnss-wrapper, which scripts/test installs).
struct Named {
    gateway: Gateway,
    hosts: PathBuf,
    written: std::cell::Cell<u64>,
}

const CONFIG: &str = r#"
workers: <workers>
upstreams: {main: {servers: [<servers>], dns_refresh: 50ms, <more>}}
apis: {shop: {path: /, versions: {"1.0": {upstream: main}}}}
"#;

impl Named {
    #[track_caller]
    fn start(addresses: &[&str], (workers, servers, more): (&str, &str, &str)) -> Self {
        let dir = TempDir::new();
        let hosts = dir.write("hosts", &lines(addresses));
        let text = fill(CONFIG, &[("workers", workers), ("servers", servers), ("more", more)]);
        let gateway = Gateway::start_in(dir, &text, |command| {
            command.env("LD_PRELOAD", "libnss_wrapper.so").env("NSS_WRAPPER_HOSTS", &hosts);
        });
        let named = Self { gateway, hosts, written: Default::default() };
        assert!(!named.gateway.stderr().contains("cannot be preloaded"), "scripts/test installs libnss-wrapper");
        eventually("the addresses are known", || (named.servers()[0]["name"] != Value::Null).then_some(()));
        named
    }

    /// `svc.test` stands for these from now on; the gateway knows when this returns, but each worker learns of it by
    /// itself, about once a second: see `settles`.
    #[track_caller]
    fn resolves_to(&self, addresses: &[&str]) {
        std::fs::write(&self.hosts, lines(addresses)).unwrap();
        // It is read again when its time has changed by a second.
        self.written.set(self.written.get() + 10);
        let later = SystemTime::now() + Duration::from_secs(self.written.get());
        std::fs::File::options().write(true).open(&self.hosts).unwrap().set_modified(later).unwrap();
        eventually("the new addresses are known", || {
            let known: Vec<_> = self.servers().iter().map(|row| ip(&row["server"])).collect();
            (known == addresses).then_some(())
        });
    }

    /// Waits until the workers know who answers now; before, they may have only one server to ask, well or not.
    #[track_caller]
    fn settles(&self, backends: &[&str]) {
        let answer = |_| Some(self.gateway.get("/items", &[])).filter(|answer| answer.status == 200);
        eventually(&format!("{backends:?} answer"), || {
            let before = self.counted();
            let answers: BTreeSet<_> =
                (0..40).map(answer).collect::<Option<Vec<_>>>()?.iter().map(Response::text).collect();
            (answers.iter().eq(backends) && self.counted() == before + 40).then_some(())
        });
    }

    /// The same for several workers, each of which takes turns: so many requests, each on a connection of its own, reach
    /// all workers, and one that does not know yet asks some too often.
    #[track_caller]
    fn settles_evenly(&self, backends: &[&str]) {
        eventually(&format!("{backends:?} answer evenly"), || {
            let before = self.counted();
            let answers = self.answers(60);
            let even = answers.values().max()? - answers.values().min()? <= 4;
            (even && answers.keys().eq(backends) && self.counted() == before + 60).then_some(())
        });
    }

    fn servers(&self) -> Vec<Value> {
        self.gateway.admin_get("/api/v1/upstreams").json()["upstreams"][0]["servers"].as_array().unwrap().clone()
    }

    /// Requests to the servers there are now; not those of a worker that does not know them yet.
    fn counted(&self) -> u64 {
        self.servers().iter().map(|row| row["requests"].as_u64().unwrap()).sum()
    }

    #[track_caller]
    fn state(&self, address: &str) -> String {
        let servers = self.servers();
        let row = servers.iter().find(|row| ip(&row["server"]) == address).unwrap();
        row["state"].as_str().unwrap().to_owned()
    }

    /// How many of `n` requests each backend got.
    #[track_caller]
    fn answers(&self, n: usize) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        for _ in 0..n {
            let answer = self.gateway.get("/items", &[]);
            assert_eq!(answer.status, 200, "{}", answer.text());
            *answers.entry(answer.text()).or_default() += 1;
        }
        answers
    }
}

fn lines(addresses: &[&str]) -> String {
    addresses.iter().map(|address| format!("{address} svc.test\n")).collect()
}

fn ip(server: &Value) -> String {
    server.as_str().unwrap().rsplit_once(':').unwrap().0.to_owned()
}

fn shares(shares: &[(&str, usize)]) -> BTreeMap<String, usize> {
    shares.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

/// A backend that answers everything with its address, `/slow` once the gate is open and `/up` with its name too.
fn backend(ip: &'static str, port: u16, gate: &Gate) -> Upstream {
    let gate = gate.clone();
    Upstream::at(SocketAddr::new(ip.parse().unwrap(), port), move |a| match a.request.target.as_str() {
        "/slow" => {
            gate.wait();
            a.reply(200, &[], ip)
        }
        "/bad" if ip == "127.0.0.2" => a.reply(500, &[], ip),
        "/up" if ip == "127.0.0.2" => a.reply(503, &[], ip),
        _ => a.reply(200, &[], ip),
    })
}

#[test]
fn each_address_of_a_name_is_a_server_with_the_weight_of_the_name() {
    let (port, gate) = (free_port(), Gate::default());
    let (_one, _two) = (backend("127.0.0.1", port, &gate), backend("127.0.0.2", port, &gate));
    let other = Upstream::new(|a| a.reply(200, &[], "other"));
    let servers = format!("{{url: 'http://svc.test:{port}', weight: 2}}, {}", other.url());
    let named = Named::start(&["127.0.0.1", "127.0.0.2"], ("1", &servers, "balance: round_robin"));
    named.settles(&["127.0.0.1", "127.0.0.2", "other"]);
    let label = format!("127.0.0.1:{port}");
    let counted = || named.gateway.metrics().sum("vergate_upstream_requests_total", &[("server", &label)]);
    let (before, counted_before) = (named.servers(), counted());
    assert_eq!(named.answers(50), shares(&[("127.0.0.1", 20), ("127.0.0.2", 20), ("other", 10)]));
    let rows = named.servers();
    let more = rows[1]["requests"].as_u64().unwrap() - before[1]["requests"].as_u64().unwrap();
    assert_eq!(rows[1]["server"], format!("127.0.0.2:{port}"));
    assert_eq!((&rows[1]["name"], &rows[1]["weight"]), (&format!("svc.test:{port}").into(), &2.into()));
    assert_eq!((&rows[2]["name"], more), (&Value::Null, 20));
    assert_eq!(counted() - counted_before, 20.0);
}

#[test]
fn addresses_come_and_go_without_a_request_being_lost() {
    let (port, gate) = (free_port(), Gate::default());
    let [_one, _two, _three] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|ip| backend(ip, port, &gate));
    let servers = format!("'http://svc.test:{port}'");
    let named = Named::start(&["127.0.0.1", "127.0.0.2"], ("2", &servers, "balance: round_robin"));
    named.settles_evenly(&["127.0.0.1", "127.0.0.2"]);
    let mut slow: Vec<_> = (0..4).map(|_| named.gateway.client()).collect();
    for client in &mut slow {
        client.write("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    let busy = |ip: &str| {
        let rows = named.servers();
        rows.iter().find(|row| self::ip(&row["server"]) == ip).map(|row| row["requests_in_flight"].as_u64().unwrap())
    };
    eventually("all are under way", || {
        (busy("127.0.0.1")? + busy("127.0.0.2")? == 4 && busy("127.0.0.2")? > 0).then_some(())
    });
    named.resolves_to(&["127.0.0.1", "127.0.0.3"]);
    named.settles_evenly(&["127.0.0.1", "127.0.0.3"]);
    gate.open();
    let mut ends: Vec<String> = slow.iter_mut().map(|client| client.read().text()).collect();
    ends.sort();
    ends.dedup();
    assert_eq!(ends, ["127.0.0.1", "127.0.0.2"], "what was under way on the address that is gone ended there");
    let labels = format!("127.0.0.2:{port}");
    assert_eq!(named.gateway.metrics().sum("vergate_upstream_healthy", &[("server", &labels)]), 0.0, "no such server");
    named.resolves_to(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    named.settles_evenly(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let answers = named.answers(60);
    assert!(answers.len() == 3 && answers.values().all(|count| *count >= 10), "{answers:?}");
}

#[test]
fn addresses_are_checked_and_ejected_each_by_itself() {
    let (port, gate) = (free_port(), Gate::default());
    let (_one, _two) = (backend("127.0.0.1", port, &gate), backend("127.0.0.2", port, &gate));
    let servers = format!("'http://svc.test:{port}'");
    let checked = "health: {path: /up, interval: 50ms, healthy_after: 1, unhealthy_after: 1}";
    let named = Named::start(&["127.0.0.1", "127.0.0.2"], ("2", &servers, checked));
    eventually("one is well and one is not", || {
        ((named.state("127.0.0.1"), named.state("127.0.0.2")) == ("available".into(), "unhealthy".into())).then_some(())
    });
    named.settles(&["127.0.0.1"]);
    let ejecting = Named::start(
        &["127.0.0.1", "127.0.0.2"],
        ("1", &servers, "balance: round_robin, ejection: {after: 2, time: 1m, panic: 0%}"),
    );
    ejecting.settles(&["127.0.0.1", "127.0.0.2"]);
    for _ in 0..6 {
        ejecting.gateway.get("/bad", &[]);
    }
    assert_eq!((ejecting.state("127.0.0.1"), ejecting.state("127.0.0.2")), ("available".into(), "ejected".into()));
    assert_eq!(ejecting.answers(10), shares(&[("127.0.0.1", 10)]));
}

#[test]
fn draining_a_name_drains_all_its_addresses_and_an_address_itself() {
    let (port, gate) = (free_port(), Gate::default());
    let [_one, _two, _three] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(|ip| backend(ip, port, &gate));
    let servers = format!("'http://svc.test:{port}'");
    let named = Named::start(&["127.0.0.1", "127.0.0.2"], ("1", &servers, ""));
    let order = |server: &str, verb: &str| {
        named.gateway.admin_call("POST", &format!("/api/v1/upstreams/main/servers/{server}/{verb}"), &[])
    };
    named.settles(&["127.0.0.1", "127.0.0.2"]);
    let one = order(&format!("127.0.0.2:{port}"), "drain");
    assert_eq!((one.status, &one.json()["state"]), (200, &"drained".into()));
    assert_eq!(named.answers(20), shares(&[("127.0.0.1", 20)]));
    let all = order(&format!("svc.test:{port}"), "drain").json();
    assert_eq!(all.as_array().unwrap().iter().filter(|row| row["state"] == "drained").count(), 2);
    named.gateway.get("/items", &[]).problem(503, "upstream_unavailable");
    named.resolves_to(&["127.0.0.1", "127.0.0.3"]);
    named.gateway.get("/items", &[]).problem(503, "upstream_unavailable");
    assert_eq!(order(&format!("svc.test:{port}"), "undrain").status, 200);
    named.settles(&["127.0.0.1", "127.0.0.3"]);
    assert_eq!(order(&format!("127.0.0.2:{port}"), "drain").status, 404, "it is gone");
}

#[test]
fn an_address_that_nobody_answers_at_costs_nothing_while_others_do() {
    let (port, gate) = (free_port(), Gate::default());
    let _three = backend("127.0.0.3", port, &gate);
    let servers = format!("'http://svc.test:{port}'");
    // Not even with a single try: nothing was sent.
    let named = Named::start(&["127.0.0.1", "127.0.0.2", "127.0.0.3"], ("1", &servers, "retries: {attempts: 0}"));
    eventually("both breakers are open", || {
        assert_eq!(named.answers(10), shares(&[("127.0.0.3", 10)]));
        (["127.0.0.1", "127.0.0.2"].map(|ip| named.state(ip)) == ["breaker_open", "breaker_open"]).then_some(())
    });
}
