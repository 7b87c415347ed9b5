//! The whole gateway, driven from outside: one binary, one module per promise.
//!
//! Every test starts the real program on free ports, talks to it in bytes, and asserts what a caller, a backend or an
//! operator can see. `scripts/test` installs the programs some of them need (nginx, Prometheus, Python).

// Tests may unwrap: a panic is how they speak.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod support;

/// One line per request on stdout and nothing else (section 8).
mod access_log;
/// Bodies, headers, paths and statuses between versions, through the running gateway.
mod adaptation;
/// The admin port and what protects it (section 7).
mod admin;
/// What HTTP leaves open about bodies between versions, and references in answers.
mod body_rules;
/// Reloads, crashes of backends and gateway, restarts, all under load: what callers see of each.
mod chaos;
/// Charsets of adapted bodies (`adaptation.charset`), both ways.
mod charsets;
/// Chunked bodies of requests (RFC 9112 section 7.1): what client and backend saw of each.
mod chunks;
/// Verbs, their output and exit codes (section 1), and the errors of `check` (section 2).
mod cli;
/// What the end of a connection may not cost.
mod closing;
/// Content codings of adapted bodies (RFC 9110 section 8.4), both ways.
mod codings;
/// What a stderr that nobody reads may not cost.
mod deaf;
/// `vergate diff`: what a newer version breaks, and which changes heal it.
mod diff;
/// `vergate docs`: the texts it writes, and whether those that are shipped are up to date.
mod docs;
/// The README's first command and the answers it promises.
mod demo;
/// Graceful ends.
mod drain;
/// Fields, trailers, chunks and speeds that may not pass, and the limits on them.
mod edge;
/// Answers no honest backend gives, and those it breaks off.
mod faults;
/// Which servers of an upstream may get requests, and what operators see of each.
mod fleet;
/// Where a request ends (RFC 9112 section 6): what client and backend saw of each spelling.
mod framing;
/// Request lines and field sections (RFC 9112 sections 3 and 5): what client and backend saw of each spelling.
mod heads;
/// Servers that are asked whether they are well, and those kept out because they fail.
mod health;
/// Bytes no honest client sends; afterwards the gateway still serves.
mod hostile;
/// HTTP/2 frame by frame: what honest clients may do, and what others may not (RFC 9113).
mod http2;
/// What clients get over HTTP/2: interim answers, problems, bodies, each on its stream.
mod http2_answers;
/// RFC 9113 sections 4 to 6, frame by frame: which end a stream, which a connection, which none.
mod http2_frames;
/// `vergate infer`: what it proposes is what `check` takes and the gateway does.
mod infer;
/// Laws of paths, queries and fields, on random requests to the running gateway.
mod laws;
/// Memory and descriptors after many requests.
mod leak;
/// Deprecation and sunset on every response (section 5).
mod lifecycle;
/// Every limit of section 2 and its problem.
mod limits;
/// What is counted and how it is labelled (section 6).
mod metrics;
/// Which version a request gets, and what is taken off before it is forwarded (section 3).
mod negotiation;
/// Spans of exchanges and tries, as a collector gets them (feature `otlp`).
#[cfg(feature = "otlp")]
mod otlp;
/// Descriptors, memory and turns when there are too many callers.
mod overload;
/// Time passes while the gateway runs.
mod phases;
/// Several requests on one connection (RFC 9112 section 9.3), and those that wait for a 100 (RFC 9110 section 10.1.1).
mod pipelining;
/// The table of section 4, code by code.
mod problems;
/// Prometheus itself scrapes the gateway and runs the dashboard's queries.
mod prometheus;
// What `check` proves about changes, against the OpenAPI documents of the versions.
mod proof;
/// What load balancers say about clients before anything else.
mod proxy_protocol;
/// RFC 9110 and 9112 between client and backend.
mod proxying;
/// curl, h2load and a WebSocket library as callers.
mod real_clients;
/// nginx and HAProxy in front of the gateway and behind it.
mod real_proxies;
/// Connections a server may have, and who waits for one.
mod queue;
/// nginx and Python's http.server behind the gateway.
mod real_servers;
/// A new file while traffic flows.
mod reload;
/// Which API a request belongs to (section 2).
mod routing;
/// Versions named in several places at once, and paths spelt so that readers disagree.
mod signals;
/// Every answer belongs to its request while a fifth of what backends do is wrong.
mod soak;
/// The table of standards names tests and files that exist.
mod standards;
/// A service manager that opens sockets, waits for readiness and watches.
mod systemd;
/// One gateway takes the place of another.
mod takeover;
/// Every timeout of section 2 and its problem.
mod timeouts;
/// Where the time of a request went, as its log line says.
mod timings;
/// TLS on listeners: names, reloads, client certificates, versions, time.
mod tls;
/// The README's tour, step by step.
mod tour;
/// Bodies of records, adapted while they pass: NDJSON and server-sent events, both ways.
mod streams;
/// Servers behind TLS: who they are, who the gateway is.
mod upstream_tls;
/// Where servers are: names, addresses, and those that are not connected to.
mod upstream_addresses;
/// Names with several addresses: each is a server, and they come and go.
mod upstream_names;
/// Servers that speak HTTP/2, gRPC among them.
mod upstream_http2;
/// Several servers, dead ones, slow ones, retries.
mod upstreams;
/// WebSockets to servers that speak HTTP/2: tunnels to an extended CONNECT (RFC 8441).
mod upstream_web_sockets;
/// WebSockets over HTTP/2 (RFC 8441): tunnels to upgrades of HTTP/1.1.
mod web_sockets;
