//! One upstream: how it is written, short or long, and what its servers are.

use std::{net::IpAddr, time::Duration};

use super::checked::Timeouts;
use super::containers::ShortOrLong;
use super::finding::{Finding, Place};
use super::pem::Files;
use super::raw;
use super::shape::{At, Field};
use super::upstream_tls::Terms;
use super::url::ServerUrl;
use crate::domain::upstream::{
    Breaker, EjectionRules, Health, Protocol, Queue, Server, Upstream, UpstreamTimeouts, is_link_local,
};

const WEIGHT_MAX: usize = 65_535;

pub(super) fn short(
    name: &str,
    url: &At<&ServerUrl>,
    timeouts: &Timeouts,
    files: &mut Files<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Upstream> {
    let nothing = raw::Upstream::default();
    let mut schemes = Schemes { raw: &nothing, place: &url.place, terms: None };
    let server = schemes.server(url.value, &url.place, 1, files, findings)?;
    Some(assemble(name, vec![server], &nothing, timeouts))
}

pub(super) fn long(
    name: &str,
    (raw, place): (&raw::Upstream, &Place),
    timeouts: &Timeouts,
    files: &mut Files<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Upstream> {
    let servers = raw.servers.value()?;
    let mut schemes = Schemes { raw, place, terms: None };
    let mut built: Vec<Server> = Vec::new();
    for at in &servers.0 {
        let (url, place, weight) = match &at.value {
            ShortOrLong::Short(url) => (url, &at.place, 1),
            ShortOrLong::Long(raw) => {
                let url = raw.url.set()?;
                (&url.value, &url.place, weight(raw, findings))
            }
        };
        let next = schemes.server(url, place, weight, files, findings)?;
        let same =
            |known: &&Server| (&known.host, known.port, &known.base_path) == (&next.host, next.port, &next.base_path);
        if built.iter().find(same).is_some() {
            let message = format!("the server {}:{} is listed twice", next.host, next.port);
            findings.push(Finding::error(&at.place, "duplicate-server", message, "give it a `weight` instead"));
        }
        built.push(next);
    }
    if let Some(tls) = raw.tls.set().filter(|_| schemes.terms.is_none()) {
        let help = "write https:// in the URLs, or take `tls` out";
        findings.push(Finding::error(
            &tls.place,
            "no-effect",
            "`tls` is for https:// servers, and there is none",
            help,
        ));
    }
    if let (Some(queue), true) = (raw.queue.set(), raw.max_connections.is_absent()) {
        let message = "without `max_connections` nobody waits";
        findings.push(Finding::warning(
            &queue.place,
            "no-effect",
            message,
            "add `max_connections`, or take `queue` out",
        ));
    }
    Some(assemble(name, built, raw, timeouts))
}

fn weight(raw: &raw::Server, findings: &mut Vec<Finding>) -> u32 {
    let weight = raw.weight.set();
    if let Some(heavy) = weight.filter(|weight| weight.value.0 > WEIGHT_MAX) {
        let message = format!("the weight {} is more than {WEIGHT_MAX}", heavy.value.0);
        findings.push(Finding::error(&heavy.place, "weight", message, "weights are relative: give less"));
    }
    let weight = weight.map_or(1, |weight| weight.value.0.min(WEIGHT_MAX));
    u32::try_from(weight).unwrap_or(u32::MAX)
}

/// How the servers of one upstream are spoken to.
struct Schemes<'u> {
    raw: &'u raw::Upstream,
    /// Of the upstream.
    place: &'u Place,
    /// Read at the first https:// server; none inside after a finding.
    terms: Option<Option<Terms>>,
}

impl Schemes<'_> {
    fn server(
        &mut self,
        url: &ServerUrl,
        place: &Place,
        weight: u32,
        files: &mut Files<'_>,
        findings: &mut Vec<Finding>,
    ) -> Option<Server> {
        let protocol = self.raw.protocol.value().map_or_else(Default::default, |word| word.0);
        let misfit = match (protocol, url.secure) {
            (Protocol::Http2, false) => Some(("`protocol: h2` is for https:// servers", "write `h2c`, or https://")),
            (Protocol::Http2Cleartext, true) => Some(("`protocol: h2c` is for http:// servers", "write `h2`")),
            _ => None,
        };
        if let Some((message, help)) = misfit {
            findings.push(Finding::error(place, "protocol", message, help));
            return None;
        }
        let tls = match url.secure {
            false => None,
            true => Some(self.terms(files, findings)?.server(&url.host, place, findings)?),
        };
        let link_local = self.raw.allow_link_local.value().is_some_and(|flag| flag.0);
        let address: Option<IpAddr> = url.host.parse().ok();
        if !link_local && address.is_some_and(is_link_local) {
            let message = format!("{} is a link-local or metadata address", url.host);
            let help = "name the server itself; `allow_link_local: true` if this is what you want";
            findings.push(Finding::error(place, "link-local", message, help));
        }
        let base_path = url.base_path.clone();
        Some(Server { host: url.host.clone(), port: url.port, base_path, weight, tls, link_local })
    }

    fn terms(&mut self, files: &mut Files<'_>, findings: &mut Vec<Finding>) -> Option<&Terms> {
        let raw = &self.raw.tls;
        let protocol = self.raw.protocol.value().map_or_else(Default::default, |word| word.0);
        let read = || match raw {
            Field::Broken => None,
            raw => Terms::build((raw.value(), protocol), self.place, files, findings),
        };
        self.terms.get_or_insert_with(read).as_ref()
    }
}

fn assemble(name: &str, servers: Vec<Server>, raw: &raw::Upstream, timeouts: &Timeouts) -> Upstream {
    let (no_retries, no_timeouts) = (raw::Retries::default(), raw::UpstreamTimeouts::default());
    let retries = raw.retries.value().unwrap_or(&no_retries);
    let own = raw.timeouts.value().unwrap_or(&no_timeouts);
    Upstream {
        name: name.to_owned(),
        servers,
        balance: raw.balance.value().map_or_else(Default::default, |rule| rule.0.clone()),
        retry_attempts: retries.attempts.value().map_or(1, |attempts| attempts.0),
        retry_budget_percent: retries.budget.value().map_or(20, |percent| percent.0),
        protocol: raw.protocol.value().map_or_else(Default::default, |word| word.0),
        timeouts: UpstreamTimeouts {
            connect: own.connect.value().map_or(timeouts.connect, |span| span.0),
            response: own.response.value().map_or(timeouts.response, |span| span.0),
            pool_idle: own.pool_idle.value().map_or(Duration::from_secs(30), |span| span.0),
        },
        breaker: raw.breaker.value().map_or_else(Default::default, breaker),
        health: raw.health.value().map(health),
        ejection: raw.ejection.value().map(ejection),
        max_connections: raw.max_connections.value().map(|count| count.0),
        queue: raw.queue.value().map_or_else(Default::default, queue),
        dns_refresh: raw.dns_refresh.value().map_or(Duration::from_secs(30), |span| span.0),
    }
}

fn breaker(raw: &raw::Breaker) -> Breaker {
    let default = Breaker::default();
    Breaker {
        open_after: raw.open_after.value().map_or(default.open_after, |count| number(count.0)),
        probe: raw.probe.value().map_or(default.probe, |span| span.0),
    }
}

fn queue(raw: &raw::Queue) -> Queue {
    let default = Queue::default();
    Queue {
        size: raw.size.value().map_or(default.size, |count| count.0),
        timeout: raw.timeout.value().map_or(default.timeout, |span| span.0),
    }
}

fn health(raw: &raw::Health) -> Health {
    let expected = raw.expect_status.value();
    Health {
        path: raw.path.value().map(|path| path.0.clone()),
        interval: raw.interval.value().map_or(Duration::from_secs(5), |span| span.0),
        timeout: raw.timeout.value().map_or(Duration::from_secs(1), |span| span.0),
        healthy_after: raw.healthy_after.value().map_or(2, |count| number(count.0)),
        unhealthy_after: raw.unhealthy_after.value().map_or(3, |count| number(count.0)),
        // What neither refuses nor fails is well, as with other proxies.
        expected: expected.map_or(vec![(200, 399)], |list| list.0.iter().map(|at| (at.value.0, at.value.1)).collect()),
    }
}

fn ejection(raw: &raw::Ejection) -> EjectionRules {
    let time = raw.time.value().map_or(Duration::from_secs(30), |span| span.0);
    EjectionRules {
        after: raw.after.value().map_or(5, |count| number(count.0)),
        time,
        time_max: raw.time_max.value().map_or(Duration::from_secs(300), |span| span.0).max(time),
        share_percent: raw.share.value().map_or(50, |percent| percent.0),
        panic_percent: raw.panic.value().map_or(50, |percent| percent.0),
    }
}

/// More than that is never reached.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{expect, outcome};
    use crate::domain::upstream::{Balance, HashKey};

    /// An API served by the upstream `u`, which is given.
    fn with(upstream: &str) -> String {
        format!("upstreams:\n  u: {upstream}\napis: {{a: {{versions: {{\"1\": {{upstream: u}}}}}}}}\n")
    }

    #[test]
    fn a_url_has_no_user_query_and_fragment() {
        expect(&with("http://svc:8000/v1"), &[]);
        expect(&with("http://me:secret@svc"), &["g.yaml:2:6: error: the URL holds a user name"]);
        expect(&with("http://svc?x=1"), &["g.yaml:2:6: error: \"http://svc?x=1\" has a query or fragment"]);
        expect(&with("'http://svc#x'"), &["g.yaml:2:6: error: \"http://svc#x\" has a query or fragment"]);
        expect(&with("svc:80"), &["g.yaml:2:6: error: expected a URL such as http://127.0.0.1:9015, found \"svc:80\""]);
        expect(&with("http://svc:0"), &["g.yaml:2:6: error: \"http://svc:0\" has no valid port"]);
        expect(
            &with("[http://svc]"),
            &["g.yaml:2:6: error: expected a URL such as http://127.0.0.1:9015 or a mapping, found a list"],
        );
    }

    #[test]
    fn an_upstream_has_servers_and_none_of_them_twice() {
        expect(&with("{servers: []}"), &["g.yaml:2:16: error: the list is empty"]);
        expect(&with("{balance: round_robin}"), &["g.yaml:2:6: error: `servers` is missing"]);
        expect(
            &with("{servers: [http://a, {url: http://a:80, weight: 2}]}"),
            &["g.yaml:2:27: error: the server a:80 is listed twice"],
        );
        expect(&with("{servers: [{url: http://a, weight: 0}]}"), &["g.yaml:2:41: error: the number is 0"]);
    }

    #[test]
    fn where_clouds_serve_credentials_is_no_upstream_unless_it_is_asked_for() {
        for url in ["http://169.254.169.254", "'http://[fe80::1]'", "'http://[::ffff:169.254.169.254]:80'"] {
            expect(&with(&format!("{{servers: [{url}]}}")), &["g.yaml:2:17: error: "]);
            expect(&with(url), &["g.yaml:2:6: error: "]);
            expect(&with(&format!("{{servers: [{url}], allow_link_local: true}}")), &[]);
        }
    }

    #[test]
    fn a_protocol_fits_the_scheme() {
        use crate::domain::upstream::Protocol;
        expect(
            &with("{servers: [http://a], protocol: h2}"),
            &["g.yaml:2:17: error: `protocol: h2` is for https:// servers"],
        );
        expect(
            &with("{servers: [http://a, https://b], protocol: h2c}"),
            &["g.yaml:2:27: error: `protocol: h2c` is for http:// servers"],
        );
        expect(&with("{servers: [http://a], protocol: http2}"), &["g.yaml:2:38: error: expected http/1.1, h2 or h2c"]);
        let capped = |max: u32, workers: u32| {
            let upstream =
                format!("{{servers: [http://a], protocol: h2c, max_connections: {max}, health: {{path: /up}}}}");
            format!("{}workers: {workers}\n", with(&upstream))
        };
        expect(&capped(2, 2), &[]);
        expect(&capped(1, 2), &["g.yaml:2:60: error: `max_connections` is 1, fewer than the 2 workers"]);
        let protocol = |text: &str| outcome(&with(text)).config.expect("sound").upstreams[0].protocol;
        assert_eq!(protocol("{servers: [http://a], protocol: h2c}"), Protocol::Http2Cleartext);
        assert_eq!(protocol("{servers: [http://a]}"), Protocol::Http1);
    }

    #[test]
    fn what_is_written_is_what_holds() {
        let text = with(
            "{servers: [{url: http://a:1/base, weight: 3}], balance: round_robin, retries: {attempts: 0, budget: 5%}, timeouts: {connect: 1s, response: 2s, pool_idle: 0s}}",
        );
        let config = outcome(&text).config.expect("sound");
        let upstream = &config.upstreams[0];
        assert_eq!(upstream.servers[0].weight, 3);
        assert_eq!(upstream.servers[0].base_path, "/base");
        assert_eq!(upstream.balance, Balance::RoundRobin);
        assert_eq!((upstream.retry_attempts, upstream.retry_budget_percent), (0, 5));
        let timeouts = upstream.timeouts;
        assert_eq!((timeouts.connect.as_secs(), timeouts.response.as_secs(), timeouts.pool_idle.as_secs()), (1, 2, 0));
        let short = outcome(&with("http://a")).config.expect("sound").upstreams.remove(0);
        assert_eq!((short.breaker.open_after, short.breaker.probe.as_secs()), (5, 1));
        assert_eq!((short.retry_attempts, short.retry_budget_percent, short.balance), (1, 20, Balance::LeastRequests));
    }

    #[test]
    fn a_breaker_opens_after_some_refusals_and_probes() {
        let config =
            outcome(&with("{servers: [http://a], breaker: {open_after: 2, probe: 50ms}}")).config.expect("sound");
        let breaker = config.upstreams[0].breaker;
        assert_eq!((breaker.open_after, breaker.probe.as_millis()), (2, 50));
        expect(
            &with("{servers: [http://a], breaker: {open_after: 0, probe: 0s}}"),
            &["g.yaml:2:50: error: the number is 0", "g.yaml:2:60: error: the duration is 0"],
        );
        expect(
            &with("{servers: [http://a], breaker: off}"),
            &["g.yaml:2:37: error: expected a mapping, found \"off\""],
        );
    }

    #[test]
    fn health_checks_have_a_path_waits_and_statuses() {
        let read = |text: &str| outcome(&with(text)).config.expect("sound").upstreams.remove(0);
        let default = read("{servers: [http://a], health: {}}").health.expect("asked for");
        assert_eq!((default.path, default.interval.as_secs(), default.timeout.as_secs()), (None, 5, 1));
        assert_eq!((default.healthy_after, default.unhealthy_after, default.expected), (2, 3, vec![(200, 399)]));
        let own = "{servers: [http://a], health: {path: /up?deep=1, interval: 1s, timeout: 2s, healthy_after: 1, unhealthy_after: 4, expect_status: [204, 3xx]}}";
        let own = read(own).health.expect("asked for");
        assert_eq!((own.path.as_deref(), own.interval.as_secs(), own.timeout.as_secs()), (Some("/up?deep=1"), 1, 2));
        assert_eq!((own.healthy_after, own.unhealthy_after, own.expected), (1, 4, vec![(204, 204), (300, 399)]));
        assert_eq!(read("{servers: [http://a]}").health, None);
        expect(
            &with("{servers: [http://a], health: {path: healthz, interval: 0s, expect_status: [99]}}"),
            &[
                "g.yaml:2:43: error: expected a path such as /healthz, found \"healthz\"",
                "g.yaml:2:62: error: the duration is 0",
                "g.yaml:2:82: error: expected a status such as 200 or 2xx, found \"99\"",
            ],
        );
    }

    #[test]
    fn servers_are_ejected_only_where_it_is_asked_for() {
        let read = |text: &str| outcome(&with(text)).config.expect("sound").upstreams.remove(0).ejection;
        assert_eq!(read("{servers: [http://a]}"), None);
        let rules = read("{servers: [http://a], ejection: {}}").expect("asked for");
        assert_eq!((rules.after, rules.time.as_secs(), rules.time_max.as_secs()), (5, 30, 300));
        assert_eq!((rules.share_percent, rules.panic_percent), (50, 50));
        let rules =
            read("{servers: [http://a], ejection: {after: 2, time: 10m, share: 10%, panic: 0%}}").expect("asked for");
        assert_eq!((rules.after, rules.time_max.as_secs()), (2, 600));
        assert_eq!((rules.share_percent, rules.panic_percent), (10, 0));
        expect(
            &with("{servers: [http://a], ejection: {after: 0, share: half}}"),
            &[
                "g.yaml:2:46: error: the number is 0",
                "g.yaml:2:56: error: expected a percentage such as 20%, found \"half\"",
            ],
        );
    }

    #[test]
    fn connections_are_limited_and_waits_bounded() {
        let read = |text: &str| outcome(&with(text)).config.expect("sound").upstreams.remove(0);
        let none = read("{servers: [http://a]}");
        assert_eq!((none.max_connections, none.queue.size, none.queue.timeout.as_secs()), (None, 128, 1));
        let own = read("{servers: [http://a], max_connections: 2, queue: {size: 0, timeout: 50ms}}");
        assert_eq!((own.max_connections, own.queue.size, own.queue.timeout.as_millis()), (Some(2), 0, 50));
        expect(&with("{servers: [http://a], max_connections: 0}"), &["g.yaml:2:45: error: the number is 0"]);
        expect(
            &with("{servers: [http://a], queue: {size: 1}}"),
            &["g.yaml:2:35: warning: without `max_connections` nobody waits"],
        );
    }

    #[test]
    fn names_are_looked_up_as_often_as_the_file_says() {
        let read = |text: &str| outcome(&with(text)).config.expect("sound").upstreams.remove(0).dns_refresh;
        assert_eq!(read("{servers: [http://a]}").as_secs(), 30);
        assert_eq!(read("{servers: [http://a], dns_refresh: 500ms}").as_millis(), 500);
        expect(&with("{servers: [http://a], dns_refresh: 0s}"), &["g.yaml:2:41: error: the duration is 0"]);
    }

    #[test]
    fn a_hash_has_one_key() {
        let read = |key: &str| {
            let text = with(&format!("{{servers: [http://a], balance: {{hash: {key}}}}}"));
            outcome(&text).config.expect("sound").upstreams.remove(0).balance
        };
        let hash = |key| Balance::Hash { key, load_max_percent: Some(125) };
        assert_eq!(read("{header: X-User-Id}"), hash(HashKey::Header("x-user-id".into())));
        assert_eq!(read("{cookie: SID}"), hash(HashKey::Cookie("SID".into())));
        assert_eq!(read("client_address"), hash(HashKey::ClientAddress));
        let any = Balance::Hash { key: HashKey::ClientAddress, load_max_percent: None };
        assert_eq!(read("client_address, load_max: off"), any);
        expect(
            &with("{servers: [http://a], balance: {hash: client_address, load_max: 90%}}"),
            &["g.yaml:2:70: error: expected a percentage such as 125%, found \"90%\""],
        );
        for (key, message) in [
            ("{}", "2:44: error: the key of a hash is one of header and cookie"),
            ("{header: A, cookie: b}", "2:44: error: the key of a hash is one of header and cookie"),
            ("{header: Te}", "2:53: error: `Te` says nothing about who asks"),
            ("{cookie: 'a b'}", "2:53: error: expected the name of a cookie, found \"a b\""),
            ("client", "2:44: error: expected client_address, found \"client\""),
        ] {
            expect(
                &with(&format!("{{servers: [http://a], balance: {{hash: {key}}}}}")),
                &[&format!("g.yaml:{message}")],
            );
        }
    }
}
