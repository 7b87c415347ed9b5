//! What `/metrics` says of each server, read from the fleet when it is scraped.

use std::sync::Arc;

use super::fleet::Fleet;
use crate::telemetry::{
    Metrics,
    sampled::{Family, Kind},
};

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: Kind::Gauge }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: Kind::Counter }
}

const FAMILIES: [Family; 17] = [
    gauge("vergate_upstream_healthy", "1 while requests are sent to the server, else 0."),
    gauge("vergate_upstream_breaker_open", "1 while the server cannot be connected to and is only probed."),
    gauge("vergate_upstream_requests_in_flight", "Requests the server is busy with."),
    gauge("vergate_upstream_connections", "Connections to the server that are open, idle ones among them."),
    gauge("vergate_upstream_connections_idle", "Connections to the server that wait for a request."),
    counter("vergate_upstream_requests_total", "Requests sent to the server; each try counts."),
    counter("vergate_upstream_pool_hits_total", "Tries that found an idle connection."),
    counter("vergate_upstream_pool_misses_total", "Tries that found none and had to connect."),
    counter("vergate_upstream_connect_failures_total", "Connections to the server that could not be opened."),
    counter("vergate_upstream_tls_handshakes_total", "TLS handshakes with the server that were done."),
    counter("vergate_upstream_tls_resumptions_total", "Of these, those that went on with an earlier session."),
    counter("vergate_upstream_http2_resets_total", "HTTP/2 streams the server reset."),
    counter("vergate_upstream_ejections_total", "Times the server was kept out because it failed too often in a row."),
    gauge("vergate_upstream_queue_length", "Requests that wait because the server has all connections it may have."),
    counter(
        "vergate_upstream_queue_refused_total",
        "Requests sent away: too many waited already, or they waited too long.",
    ),
    counter("vergate_upstream_health_checks_total", "Health checks of the server."),
    counter("vergate_upstream_health_check_failures_total", "Health checks of the server that failed."),
];

/// Shows the servers of `fleet` from now on.
pub fn show(fleet: &Arc<Fleet>, metrics: &Metrics) {
    let fleet = Arc::clone(fleet);
    let source = move || {
        let mut samples = Vec::new();
        fleet.each(|upstream, server, condition| {
            let (totals, (checks, failed_checks)) = (condition.totals(), condition.checks());
            let (waiting, turned_away) = condition.queue();
            let numbers = [
                u64::from(condition.is_available()),
                u64::from(condition.is_open()),
                totals.active,
                totals.connections,
                totals.idle,
                totals.requests,
                totals.hits,
                totals.misses,
                totals.connect_failures,
                totals.handshakes,
                totals.resumed,
                totals.resets,
                condition.ejections(),
                waiting as u64,
                turned_away,
                checks,
                failed_checks,
            ];
            samples.push(([upstream.to_owned(), server.to_owned()], numbers.map(|number| number as f64)));
        });
        samples
    };
    metrics.sample(["upstream", "server"], FAMILIES, Box::new(source));
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::domain::upstream::testing::upstream;

    #[test]
    fn each_server_has_a_sample_of_each_family() {
        let (fleet, metrics) = (Arc::new(Fleet::default()), Metrics::new(Instant::now()));
        show(&fleet, &metrics);
        fleet.keep(&[upstream("u", &[1, 2])]);
        let server = fleet.roster("u").condition("10.0.0.1:2");
        server.tally().requests.inc();
        server.refused(1);
        let text = metrics.render(Instant::now());
        for family in &FAMILIES {
            let name = family.name;
            assert!(text.contains(&format!("{name}{{upstream=\"u\",server=\"10.0.0.1:1\"}} ")), "{name} in\n{text}");
        }
        assert!(text.contains("vergate_upstream_healthy{upstream=\"u\",server=\"10.0.0.1:1\"} 1\n"));
        assert!(text.contains("vergate_upstream_healthy{upstream=\"u\",server=\"10.0.0.1:2\"} 0\n"));
        assert!(text.contains("vergate_upstream_breaker_open{upstream=\"u\",server=\"10.0.0.1:2\"} 1\n"));
        assert!(text.contains("vergate_upstream_requests_total{upstream=\"u\",server=\"10.0.0.1:2\"} 1\n"));
        fleet.keep(&[]);
        assert!(!metrics.render(Instant::now()).contains("vergate_upstream_healthy{"), "gone with their names");
    }
}
