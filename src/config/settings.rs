//! The parts of a configuration that are not APIs: listeners, the admin port, log, limits, timeouts.

use std::net::{Ipv4Addr, SocketAddr};

use super::checked::{Admin, Limits, Log, Secret, Timeouts};
use super::containers::ShortOrLong;
use super::finding::Finding;
use super::raw;
use super::shape::{At, Field};
use super::units::{AutoCount, SizeOrZero, Span};

/// Where callers connect if nothing is written.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);
/// Where the operator's port is if nothing is written.
const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9901);
const WORKERS_MAX: usize = 1024;

/// The data listeners; an address given twice is an error.
pub fn listeners(raw: &raw::Gateway, findings: &mut Vec<Finding>) -> Vec<SocketAddr> {
    let addresses = listener_places(raw);
    if let Some(at) = raw.listen.set().filter(|at| at.value.0.is_empty()) {
        findings.push(Finding::error(&at.place, "listen", "`listen` has no usable address", "add one: 0.0.0.0:8080"));
    }
    for (index, later) in addresses.iter().enumerate() {
        let first = addresses[..index].iter().find(|first| overlap(first.value, later.value));
        if let Some(first) = first {
            let message = format!("{} is taken by the listener at {}", later.value, first.place);
            findings.push(Finding::error(
                &later.place,
                "duplicate-address",
                message,
                "give every listener its own port",
            ));
        }
    }
    if addresses.is_empty() { vec![LISTEN] } else { addresses.into_iter().map(|at| at.value).collect() }
}

fn listener_places(raw: &raw::Gateway) -> Vec<At<SocketAddr>> {
    let Some(listen) = raw.listen.value() else { return Vec::new() };
    let address = |at: &At<ShortOrLong<super::names::Address, raw::Listener>>| match &at.value {
        ShortOrLong::Short(address) => Some(At { place: at.place.clone(), value: address.0 }),
        ShortOrLong::Long(listener) => {
            let address = listener.address.set()?;
            Some(At { place: address.place.clone(), value: address.value.0 })
        }
    };
    listen.0.iter().filter_map(address).collect()
}

/// Whether two addresses cannot both be bound. Port 0 is always free.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |one: SocketAddr, other: SocketAddr| {
        one.ip() == other.ip() || (one.ip().is_unspecified() && (one.is_ipv6() || other.is_ipv4()))
    };
    a.port() != 0 && a.port() == b.port() && (covers(a, b) || covers(b, a))
}

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
pub fn admin(raw: &raw::Gateway, findings: &mut Vec<Finding>) -> Admin {
    let nothing = raw::Admin::default();
    let admin = raw.admin.value().unwrap_or(&nothing);
    let listen = admin.listen.value().map_or(ADMIN, |address| address.0);
    if let Some(at) = admin.listen.set() {
        if !listen.ip().to_canonical().is_loopback() && admin.token.is_absent() {
            let message = format!("the admin port listens on {listen}, which is not loopback, without a token");
            let help = "set `admin.token`, or listen on 127.0.0.1";
            findings.push(Finding::error(&at.place, "admin-token", message, help));
        }
    }
    if !raw.admin.is_broken() && !admin.listen.is_broken() {
        for taken in listener_places(raw).iter().filter(|taken| overlap(taken.value, listen)) {
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
    if let Some(at) = admin.token.set() {
        if !at.value.0.bytes().all(|b| b.is_ascii_graphic()) {
            let message = "the token holds characters that an Authorization field cannot carry";
            let help = "use letters, digits and punctuation, without spaces and line breaks";
            findings.push(Finding::error(&at.place, "admin-token", message, help));
        }
    }
    let hosts = admin.hosts.value().map_or(&[][..], |list| &list.0);
    Admin {
        listen,
        token: admin.token.value().map(|token| Secret::new(token.0.clone())),
        hosts: hosts.iter().map(|host| host.value.0.to_ascii_lowercase()).collect(),
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
    set(&mut limits.response_header_bytes, &raw.response_header, |size| length(size.0));
    set(&mut limits.connections, &raw.connections, |count| count.0);
    set(&mut limits.connections_per_client, &raw.connections_per_client, |count| count.0);
    set(&mut limits.requests_in_flight, &raw.requests_in_flight, |count| count.0);
    limits
}

/// Durations of the data path.
pub fn timeouts(raw: &raw::Gateway) -> Timeouts {
    let mut timeouts = Timeouts::default();
    let Some(raw) = raw.timeouts.value() else { return timeouts };
    let span = |span: Span| span.0;
    set(&mut timeouts.request_header, &raw.request_header, span);
    set(&mut timeouts.request_body, &raw.request_body, span);
    set(&mut timeouts.write, &raw.write, span);
    set(&mut timeouts.keep_alive, &raw.keep_alive, span);
    set(&mut timeouts.connect, &raw.connect, span);
    set(&mut timeouts.response, &raw.response, span);
    set(&mut timeouts.response_idle, &raw.response_idle, span);
    set(&mut timeouts.request, &raw.request, span);
    set(&mut timeouts.tunnel_idle, &raw.tunnel_idle, span);
    set(&mut timeouts.drain, &raw.drain, |span| span.0);
    timeouts
}

fn set<T, R: Copy>(target: &mut T, field: &Field<R>, value: impl FnOnce(R) -> T) {
    if let Some(raw) = field.value() {
        *target = value(*raw);
    }
}
