//! The parts of a configuration that are not APIs: the admin port, log, limits, timeouts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use http::HeaderName;

use super::checked::{Admin, Limits, Log, Secret, TOKEN_BYTES_MAX, Timeouts};
use super::finding::Finding;
use super::listeners::{overlap, places};
use super::raw;
use super::shape::{At, Field};
use super::units::{AutoCount, Count, SizeOrZero, Span};

/// Where the operator's port is if nothing is written.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);
const WORKERS_MAX: usize = 1024;
/// The kernel's limit is 107; the name it is bound with before it is moved in place is longer than its own.
const SOCKET_PATH_BYTES_MAX: usize = 90;
/// A token of fewer characters could be guessed.
const TOKEN_BYTES_MIN: usize = 32;

/// The number of worker threads.
pub fn workers(raw: &raw::Gateway, findings: &mut Vec<Finding>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    match raw.workers.set() {
        Some(At { value: AutoCount(Some(number)), place }) => {
            if *number > WORKERS_MAX {
                let message = format!("{number} workers are more than {WORKERS_MAX}");
                findings.push(Finding::error(place, "workers", message, "one per core is best: `auto`"));
            }
            (*number).min(WORKERS_MAX)
        }
        _ => cores().min(WORKERS_MAX),
    }
}

/// The operator's port. Off loopback it needs a token; it shares no address with a listener.
///
/// - `folder`: what relative paths start from.
pub fn admin(raw: &raw::Gateway, folder: &Path, findings: &mut Vec<Finding>) -> Admin {
    let nothing = raw::Admin::default();
    let admin = raw.admin.value().unwrap_or(&nothing);
    let listen = admin.listen.value().map_or(ADMIN, |address| address.0);
    if let Some(at) = admin.listen.set()
        && !listen.ip().to_canonical().is_loopback()
        && admin.token.is_absent()
    {
        let message = format!("the admin port listens on {listen}, which is not loopback, without a token");
        let help = "set `admin.token`, or listen on 127.0.0.1";
        findings.push(Finding::error(&at.place, "admin-token", message, help));
    }
    if !raw.admin.is_broken() && !admin.listen.is_broken() {
        for taken in places(raw).iter().filter(|taken| overlap(taken.value, listen)) {
            // The later of the two places is named.
            let (place, message) = match admin.listen.set() {
                Some(at) if at.place > taken.place => {
                    (&at.place, format!("the admin address {listen} is taken by the listener at {}", taken.place))
                }
                Some(at) => (&taken.place, format!("{} is the admin address, set at {}", taken.value, at.place)),
                None => (&taken.place, format!("{} is the admin port's default address", taken.value)),
            };
            findings.push(Finding::error(place, "duplicate-address", message, "give each its own port"));
        }
    }
    if let Some(at) = admin.token.set()
        && !at.value.0.bytes().all(|b| b.is_ascii_graphic())
    {
        let message = "the token holds characters that an Authorization field cannot carry";
        let help = "use letters, digits and punctuation, without spaces and line breaks";
        findings.push(Finding::error(&at.place, "admin-token", message, help));
    }
    let takeover = admin.takeover.set().map(|at| (&at.place, folder.join(&at.value.0)));
    if let Some((place, path)) = &takeover
        && path.as_os_str().len() > SOCKET_PATH_BYTES_MAX
    {
        let message = format!("the path of the socket is longer than {SOCKET_PATH_BYTES_MAX} bytes");
        findings.push(Finding::error(place, "takeover", message, "give a shorter one, such as /run/vergate/takeover"));
    }
    token_length(admin, listen, findings);
    let count = |field: &Field<Count>, default| {
        field.value().map_or(default, |count| u32::try_from(count.0).unwrap_or(u32::MAX))
    };
    let hosts = admin.hosts.value().map_or(&[][..], |list| &list.0);
    Admin {
        listen,
        token: admin.token.value().map(|token| Secret::new(token.0.clone())),
        takeover: takeover.map(|(_, path)| path),
        hosts: hosts.iter().map(|host| host.value.0.to_ascii_lowercase()).collect(),
        requests_per_second: count(&admin.requests_per_second, 20),
        failed_logins_per_minute: count(&admin.failed_logins_per_minute, 5),
    }
}

/// A token that could be guessed is as good as none; on loopback none is asked for, so there it is a warning.
fn token_length(admin: &raw::Admin, listen: SocketAddr, findings: &mut Vec<Finding>) {
    let Some(at) = admin.token.set() else { return };
    let length = at.value.0.len();
    let help = "32 random ones: `openssl rand -base64 24`";
    if length > TOKEN_BYTES_MAX {
        let message = format!("the token has {length} characters, more than {TOKEN_BYTES_MAX}");
        findings.push(Finding::error(&at.place, "admin-token", message, help));
    } else if length < TOKEN_BYTES_MIN {
        let message = format!("the token has {length} characters, less than {TOKEN_BYTES_MIN}");
        let finding = if listen.ip().to_canonical().is_loopback() { Finding::warning } else { Finding::error };
        findings.push(finding(&at.place, "admin-token", message, help));
    }
}

/// How requests are logged.
pub fn log(raw: &raw::Gateway) -> Log {
    let nothing = raw::Log::default();
    let log = raw.log.value().unwrap_or(&nothing);
    Log {
        format: log.format.value().map_or_else(Default::default, |word| word.0),
        requests: log.requests.value().map_or_else(Default::default, |word| word.0),
    }
}

/// Sizes and counts.
pub fn limits(raw: &raw::Gateway) -> Limits {
    let mut limits = Limits::default();
    let Some(raw) = raw.limits.value() else { return limits };
    // The reader has checked that sizes fit the machine.
    let length = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    set(&mut limits.request_target_bytes, &raw.request_target, |size| length(size.0));
    set(&mut limits.request_header_bytes, &raw.request_header, |size| length(size.0));
    set(&mut limits.request_header_fields, &raw.request_header_fields, |count| count.0);
    set(&mut limits.request_body_bytes, &raw.request_body, |size: SizeOrZero| size.0);
    set(&mut limits.adapted_body_bytes, &raw.adapted_body, |size| length(size.0));
    // Nobody needs 4 GiB around the chunks of a body.
    let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    set(&mut limits.chunked.extension_bytes, &raw.chunk_extensions, |size| short(size.0));
    set(&mut limits.chunked.trailer_bytes, &raw.trailer, |size| short(size.0));
    set(&mut limits.chunked.trailer_fields, &raw.trailer_fields, |count| short(count.0 as u64));
    set(&mut limits.request_body_rate, &raw.request_body_rate, |size| size.0);
    set(&mut limits.requests_per_connection, &raw.requests_per_connection, |count| count.0);
    set(&mut limits.response_header_bytes, &raw.response_header, |size| length(size.0));
    set(&mut limits.response_header_fields, &raw.response_header_fields, |count| count.0);
    set(&mut limits.interim_responses, &raw.interim_responses, |count| count.0);
    set(&mut limits.connections, &raw.connections, |count| count.0);
    set(&mut limits.connections_per_client, &raw.connections_per_client, |count| count.0);
    set(&mut limits.requests_in_flight, &raw.requests_in_flight, |count| count.0);
    set(&mut limits.http2_streams, &raw.http2_streams, |count| count.0);
    set(&mut limits.http2_stream_window_bytes, &raw.http2_stream_window, |size| length(size.0));
    set(&mut limits.http2_connection_window_bytes, &raw.http2_connection_window, |size| length(size.0));
    set(&mut limits.http2_continuations, &raw.http2_continuations, |count| count.0);
    set(&mut limits.http2_resets, &raw.http2_resets, |count| count.0);
    set(&mut limits.http2_resets_unanswered, &raw.http2_resets_unanswered, |count| count.0);
    set(&mut limits.http2_control_frames, &raw.http2_control_frames, |count| count.0);
    set(&mut limits.memory, &raw.memory, |memory| memory.0);
    limits
}

/// The fields that may follow a request body, each once.
pub fn request_trailers(raw: &raw::Gateway) -> Vec<HeaderName> {
    let listed = raw.limits.value().and_then(|limits| limits.request_trailers.value());
    let mut names: Vec<HeaderName> = Vec::new();
    for at in listed.iter().flat_map(|list| &list.0) {
        if !names.contains(&at.value.0) {
            names.push(at.value.0.clone());
        }
    }
    names
}

/// Durations of the data path.
pub fn timeouts(raw: &raw::Gateway) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let Some(raw) = raw.timeouts.value() else { return timeouts };
    let span = |span: Span| span.0;
    set(&mut timeouts.request_header, &raw.request_header, span);
    set(&mut timeouts.request_body, &raw.request_body, span);
    set(&mut timeouts.request_body_grace, &raw.request_body_grace, |span| span.0);
    set(&mut timeouts.write, &raw.write, span);
    set(&mut timeouts.keep_alive, &raw.keep_alive, span);
    set(&mut timeouts.connect, &raw.connect, span);
    set(&mut timeouts.response, &raw.response, span);
    set(&mut timeouts.response_idle, &raw.response_idle, span);
    set(&mut timeouts.request, &raw.request, span);
    set(&mut timeouts.tunnel_idle, &raw.tunnel_idle, span);
    set(&mut timeouts.drain, &raw.drain, |span| span.0);
    set(&mut timeouts.drain_idle, &raw.drain_idle, |span| span.0);
    timeouts
}

fn set<T, R: Copy>(target: &mut T, field: &Field<R>, value: impl FnOnce(R) -> T) {
    if let Some(raw) = field.value() {
        *target = value(*raw);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::checked::ChunkLimits;
    use crate::config::checked::MemoryLimit;
    use crate::config::testing::{expect, outcome};
    use crate::config::{LogFormat, LogRequests};

    const API: &str = "upstreams: {u: http://h}\napis: {a: {versions: {\"1\": {upstream: u}}}}\n";

    fn with(first_line: &str) -> String {
        format!("{first_line}\n{API}")
    }

    #[test]
    fn off_loopback_the_admin_port_needs_a_token() {
        let error = "error: the admin port listens on 0.0.0.0:9901, which is not loopback, without a token";
        expect(&with("admin: {listen: 0.0.0.0:9901}"), &[&format!("g.yaml:1:17: {error}")]);
        expect(&with("admin: {listen: 0.0.0.0:9901, token: \"${MISSING:-}\"}"), &[&format!("g.yaml:1:17: {error}")]);
        let token = "0123456789abcdef0123456789abcdef";
        expect(&with(&format!("admin: {{listen: 0.0.0.0:9901, token: {token}}}")), &[]);
        expect(&with("admin: {listen: '[::1]:9901'}"), &[]);
        expect(&with("admin: {listen: 127.8.8.8:9901}"), &[]);
    }

    #[test]
    fn the_token_can_be_sent_and_is_not_printed() {
        let spaced = "two words two words two words two words";
        expect(&with(&format!("admin: {{token: '{spaced}'}}")), &["g.yaml:1:16: error: the token holds characters"]);
        let config = outcome(&with("admin: {token: hush}")).config.expect("sound");
        assert!(!format!("{config:?}").contains("hush"));
        assert_eq!(config.admin.token.expect("a token").expose(), b"hush");
    }

    #[test]
    fn the_place_of_a_takeover_is_beside_the_file_and_fits_a_socket() {
        let config = outcome(&with("admin: {takeover: gate.sock}")).config.expect("sound");
        assert_eq!(config.admin.takeover.as_deref(), Some(std::path::Path::new("gate.sock")));
        assert_eq!(outcome(&with("")).config.expect("sound").admin.takeover, None);
        let long = "x".repeat(91);
        expect(
            &with(&format!("admin: {{takeover: /{long}}}")),
            &["g.yaml:1:19: error: the path of the socket is longer than 90 bytes"],
        );
    }

    #[test]
    fn a_token_that_can_be_guessed_is_none() {
        let short = "error: the token has 31 characters, less than 32";
        let token = |length: usize| "x".repeat(length);
        let off = |length| with(&format!("admin: {{listen: '0.0.0.0:9901', token: {}}}", token(length)));
        let on = |length| with(&format!("admin: {{token: {}}}", token(length)));
        expect(&off(31), &[&format!("g.yaml:1:40: {short}")]);
        expect(&off(32), &[]);
        expect(&on(31), &["g.yaml:1:16: warning: the token has 31 characters, less than 32"]);
        expect(&on(1024), &[]);
        expect(&on(1025), &["g.yaml:1:16: error: the token has 1025 characters, more than 1024"]);
    }

    #[test]
    fn what_the_admin_port_bears_is_what_is_written() {
        let admin = |text: &str| {
            let admin = outcome(&with(text)).config.expect("sound").admin;
            (admin.requests_per_second, admin.failed_logins_per_minute)
        };
        assert_eq!(admin("admin: {}"), (20, 5));
        assert_eq!(admin("admin: {requests_per_second: 7, failed_logins_per_minute: 8}"), (7, 8));
        expect(&with("admin: {requests_per_second: 0}"), &["g.yaml:1:30: error: the number is 0"]);
    }

    #[test]
    fn no_two_sockets_share_an_address() {
        expect(
            &with("listen: [127.0.0.1:1, 127.0.0.1:1]"),
            &["g.yaml:1:23: error: 127.0.0.1:1 is taken by the listener at g.yaml:1:10"],
        );
        expect(&with("listen: [0.0.0.0:1, 127.0.0.1:1]"), &["g.yaml:1:21: error: 127.0.0.1:1 is taken"]);
        expect(&with("listen: [127.0.0.1:1, '[::1]:1', 127.0.0.2:1]"), &[]);
        expect(&with("listen: [127.0.0.1:0, 127.0.0.1:0]"), &[]);
        expect(
            &with("admin: {listen: 127.0.0.1:1}\nlisten: 127.0.0.1:1"),
            &["g.yaml:2:9: error: 127.0.0.1:1 is the admin address, set at g.yaml:1:17"],
        );
        expect(
            &with("listen: 127.0.0.1:1\nadmin: {listen: 127.0.0.1:1}"),
            &["g.yaml:2:17: error: the admin address 127.0.0.1:1 is taken by the listener at g.yaml:1:9"],
        );
        expect(
            &with("listen: 127.0.0.1:9901"),
            &["g.yaml:1:9: error: 127.0.0.1:9901 is the admin port's default address"],
        );
    }

    #[test]
    fn numbers_that_let_nothing_through_are_refused() {
        expect(&with("workers: 0"), &["g.yaml:1:10: error: the number is 0"]);
        expect(&with("workers: 1025"), &["g.yaml:1:10: error: 1025 workers are more than 1024"]);
        expect(&with("workers: many"), &["g.yaml:1:10: error: expected auto or a whole number, found \"many\""]);
        for key in [
            "request_header",
            "request_body",
            "write",
            "keep_alive",
            "connect",
            "response",
            "response_idle",
            "request",
            "tunnel_idle",
        ] {
            let column = 13 + key.len() + 2;
            expect(
                &with(&format!("timeouts: {{ {key}: 0s}}")),
                &[&format!("g.yaml:1:{column}: error: the duration is 0")],
            );
        }
        expect(&with("timeouts: {drain: 0s, drain_idle: 0s}"), &[]);
        for key in [
            "request_target",
            "request_header",
            "request_header_fields",
            "trailer",
            "trailer_fields",
            "requests_per_connection",
            "response_header",
            "response_header_fields",
            "interim_responses",
            "connections",
            "requests_in_flight",
            "http2_streams",
            "http2_stream_window",
            "http2_connection_window",
            "http2_continuations",
            "http2_resets",
            "http2_resets_unanswered",
            "http2_control_frames",
            "memory",
        ] {
            let column = 10 + key.len() + 2;
            expect(&with(&format!("limits: {{{key}: 0}}")), &[&format!("g.yaml:1:{column}: error: the ")]);
        }
        expect(&with("limits: {request_body: 0, adapted_body: 0, chunk_extensions: 0, request_body_rate: 0}"), &[]);
        expect(&with("timeouts: {request_body_grace: 0s}"), &[]);
    }

    #[test]
    fn bad_units_say_what_was_expected() {
        expect(&with("timeouts: {request: 5}"), &["g.yaml:1:21: error: `5` has no unit"]);
        expect(&with("timeouts: {request: 1 month}"), &["g.yaml:1:21: error: months have no fixed length"]);
        expect(&with("limits: {request_body: 10MB}"), &["g.yaml:1:24: error: `MB` is not a unit of size"]);
        expect(
            &with("limits: {request_body: [1]}"),
            &["g.yaml:1:24: error: expected a size such as 64KiB, found a list"],
        );
        expect(&with("log: all"), &["g.yaml:1:6: error: expected a mapping, found \"all\""]);
        expect(&with("trusted_proxies: [10.0.0.0/99]"), &["g.yaml:1:19: error: expected a network such as 10.0.0.0/8"]);
        expect(
            &with("listen: localhost:8080"),
            &["g.yaml:1:9: error: expected an address such as 127.0.0.1:8080, found \"localhost"],
        );
    }

    #[test]
    fn trailers_are_listed_by_name_and_decide_nothing() {
        let text = with("limits: {request_trailers: [X-Sum, grpc-status, x-sum]}");
        assert_eq!(outcome(&text).config.expect("sound").request_trailers, ["x-sum", "grpc-status"]);
        expect(
            &with("limits: {request_trailers: [X-Sum, Host, 'a b', x-api-version]}"),
            &[
                "g.yaml:1:36: error: `Host` decides how a request is treated",
                "g.yaml:1:42: error: expected the name of a trailer field",
                "g.yaml:1:49: error: `x-api-version` decides how a request is treated",
            ],
        );
    }

    #[test]
    fn limits_of_the_strict_edge_are_what_is_written() {
        let text = with(
            "limits: {trailer: 1KiB, trailer_fields: 2, chunk_extensions: 3, request_body_rate: 4KiB, requests_per_connection: 5, response_header_fields: 6, interim_responses: 7}\ntimeouts: {request_body_grace: 8s}",
        );
        let config = outcome(&text).config.expect("sound");
        let chunked = ChunkLimits { extension_bytes: 3, trailer_bytes: 1024, trailer_fields: 2 };
        assert_eq!(config.limits.chunked, chunked);
        assert_eq!((config.limits.request_body_rate, config.timeouts.request_body_grace.as_secs()), (4096, 8));
        assert_eq!(config.limits.requests_per_connection, 5);
        assert_eq!((config.limits.response_header_fields, config.limits.interim_responses), (6, 7));
    }

    #[test]
    fn what_is_written_is_what_holds() {
        let text = with(
            "listen: [127.0.0.1:1, {address: 127.0.0.1:2}]\nworkers: '3'\nlog: {format: text, requests: errors}\ntrusted_proxies: [10.1.2.3/8]\nlimits: {request_target: 1KiB, connections: 7, connections_per_client: 8, requests_in_flight: 9, memory: 1GiB}\ntimeouts: {drain: 250ms, drain_idle: 2s, connect: 1m}\nadmin: {hosts: [Ops.Example.com]}",
        );
        let config = outcome(&text).config.expect("sound");
        assert_eq!(config.listeners.len(), 2);
        assert_eq!(config.workers, 3);
        assert_eq!((config.log.format, config.log.requests), (LogFormat::Text, LogRequests::Errors));
        assert_eq!(config.trusted_proxies[0].to_string(), "10.0.0.0/8");
        assert_eq!(config.limits.request_target_bytes, 1024);
        let counts =
            (config.limits.connections, config.limits.connections_per_client, config.limits.requests_in_flight);
        assert_eq!(counts, (Some(7), Some(8), Some(9)));
        assert_eq!(config.limits.memory, MemoryLimit::Bytes(1 << 30));
        assert_eq!(config.timeouts.drain.as_millis(), 250);
        assert_eq!(config.timeouts.drain_idle.as_secs(), 2);
        assert_eq!(config.upstreams[0].timeouts.connect.as_secs(), 60);
        assert_eq!(config.admin.hosts, ["ops.example.com"]);
    }
}
