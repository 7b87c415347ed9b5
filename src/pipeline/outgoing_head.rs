//! The head of a request as the upstream gets it.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header, request::Parts, uri::PathAndQuery};

use super::{
    downstream::forwarded, exchange::Exchange, negotiation::Chosen, passage::Passage, references::without_prefix,
    refused::Refused, upstream::hop_by_hop,
};
use crate::{
    adaptation::plan::OperationPlan,
    domain::upstream::Protocol,
    headers::{self, Present, disguise},
    problem::Code,
};

/// What goes into the head as it is, without a place among the fields.
pub(super) struct Lines {
    pub(super) forwarded: Bytes,
    pub(super) via: &'static [u8],
    /// Whether the request id is one of them: the client sent none.
    pub(super) request_id: bool,
    /// Whether the client named no host, as HTTP/1.0 permits.
    pub(super) hostless: bool,
}

/// The path to forward, without a server's base path; none where it is the one that was sent.
pub(super) fn target(passage: &Passage, chosen: &Chosen<'_>, parts: &mut Parts) -> Result<Option<Uri>, Refused> {
    let moved = passage.operation().and_then(|operation| operation.target(chosen.sent_path()));
    let path = match &moved {
        None => chosen.path.as_ref(),
        Some((to_method, path)) => {
            if let Some(to) = to_method {
                parts.method = (*to).clone();
            }
            without_prefix(&passage.snapshot().config.apis[passage.api], path)
        }
    };
    let query = chosen.query.as_deref();
    if is_as_sent(&parts.uri, path, query) {
        return Ok(None);
    }
    let joined = query.map_or_else(|| path.to_owned(), |query| [path, "?", query].concat());
    rebuilt(joined).map(Some)
}

/// Most targets go on byte for byte: they need not be put together and checked again.
fn is_as_sent(uri: &Uri, path: &str, query: Option<&str>) -> bool {
    let sent = uri.path_and_query().map_or("", PathAndQuery::as_str);
    match query {
        None => sent == path,
        Some(query) => sent.strip_prefix(path).and_then(|rest| rest.strip_prefix('?')) == Some(query),
    }
}

/// Edits the query of `uri` as the changes say.
pub(super) fn edit_query(operation: &OperationPlan, uri: &mut Uri) -> Result<(), Refused> {
    let edited = match operation.query(uri.query().unwrap_or_default()) {
        Cow::Owned(query) => query,
        Cow::Borrowed(_) => return Ok(()),
    };
    let path = uri.path();
    *uri = rebuilt(if edited.is_empty() { path.to_owned() } else { [path, "?", &edited].concat() })?;
    Ok(())
}

fn rebuilt(target: String) -> Result<Uri, Refused> {
    let target = PathAndQuery::try_from(target).map(Uri::from);
    target.map_err(|_| Refused::because(Code::RequestInvalid, "The request target is not a valid path."))
}

/// Removes what belongs to the client's connection, adds what the upstream has to know.
pub(super) fn edit_fields(exchange: &Exchange, passage: &Passage, parts: &mut Parts) -> Result<Lines, Refused> {
    let snapshot = passage.snapshot();
    let present = exchange.present;
    let fields = &mut parts.headers;
    let is_version = |name: &HeaderName| snapshot.negotiator.is_version_field(passage.api, name);
    let takes_trailers = passage.group.protocol != Protocol::Http1 && takes_trailers(fields);
    hop_by_hop::remove(fields, present, is_version, &snapshot.config.request_trailers)?;
    if present.has(Present::DISGUISE) {
        disguise::remove(fields);
    }
    if takes_trailers {
        fields.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(upgrade) = &passage.upgrade {
        fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        fields.insert(header::UPGRADE, upgrade.protocols.clone());
        if let Some(key) = &upgrade.key {
            key.put(fields);
        }
    }
    if parts.method == Method::OPTIONS {
        count_down(fields);
    }
    exchange.trace.edit(fields);
    let entry = snapshot.version(passage.api, passage.version);
    snapshot.negotiator.remove_version_fields(passage.api, fields);
    if present.has(Present::ACCEPT) {
        let speaks = entry.speaks.to_str().unwrap_or_default();
        // The range to rewrite names the version asked for, also where another one answers.
        let asked = exchange.counted.version.unwrap_or(passage.version);
        snapshot.negotiator.rewrite_accept(passage.api, asked, speaks, fields);
    }
    // An absolute-form target or HTTP/2 names the host in the URI.
    if let Some(authority) = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        fields.insert(header::HOST, authority);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(fields);
    }
    let host = fields.get(header::HOST).cloned();
    let trusted = forwarded::is_trusted(exchange.link.peer.ip(), &snapshot.config.trusted_proxies);
    let forwarded = forwarded::set(fields, present, &exchange.link, trusted, host.as_ref());
    let via = forwarded::via(fields, present, parts.version);
    let request_id = !present.has(Present::REQUEST_ID);
    if !request_id {
        fields.insert(headers::X_REQUEST_ID, exchange.request_id.clone());
    }
    Ok(Lines { forwarded, via, request_id, hostless: host.is_none() })
}

/// Whether the client reads trailers; gRPC servers ask for this word (RFC 9110 section 10.1.4).
fn takes_trailers(fields: &HeaderMap) -> bool {
    let lines = fields.get_all(header::TE);
    let mut options = lines.iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Takes one hop off `Max-Forwards` (RFC 9110 section 7.6.2).
fn count_down(fields: &mut HeaderMap) {
    if let Some(left) = hops_left(fields) {
        fields.insert(header::MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
}

/// How many more hops a request may take; none where it does not say.
pub(super) fn hops_left(fields: &HeaderMap) -> Option<u64> {
    fields.get(header::MAX_FORWARDS)?.to_str().ok()?.trim().parse().ok()
}

/// HTTP/2 clients may send cookies in several lines, HTTP/1.1 knows one (RFC 9113 section 8.2.3).
fn join_cookies(fields: &mut HeaderMap) {
    let lines: Vec<&[u8]> = fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // Valid values joined by visible text are a valid value.
    if let (2.., Ok(joined)) = (lines.len(), HeaderValue::from_bytes(&lines.join(&b"; "[..]))) {
        fields.insert(header::COOKIE, joined);
    }
}
