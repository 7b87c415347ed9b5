//! An answer's head as a header block.

use std::cell::RefCell;

use http::{HeaderMap, StatusCode, header, response::Parts};

use super::hpack::encoder;
use crate::{clock, headers};

/// Appends an answer's head to `out`.
///
/// - `lines`: fields beside those of `head`, encoded.
/// - `size`: the body's, where it is known, also where it is not sent.
/// - `to_head`: whether HEAD was asked.
/// - `now`: the worker's tick.
pub(super) fn head(out: &mut Vec<u8>, (head, lines): (&Parts, &[u8]), size: Option<u64>, to_head: bool, now: u64) {
    encoder::status(out, head.status);
    let length = length(head, size, to_head);
    let mut dated = false;
    for (name, value) in &head.headers {
        if *name == header::CONTENT_LENGTH && length != Length::AsSaid {
            continue;
        }
        dated |= *name == header::DATE;
        encoder::field(out, name, value);
    }
    out.extend_from_slice(lines);
    if let Length::Of(size) = length {
        encoder::number(out, &header::CONTENT_LENGTH, size);
    }
    if !dated {
        date(out, now);
    }
}

/// What an answer says of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// What its upstream says, if anything.
    AsSaid,
    Of(u64),
    Nothing,
}

fn length(head: &Parts, size: Option<u64>, to_head: bool) -> Length {
    match (head.status, size) {
        // Lengths that lie are worse than none (RFC 9110 section 8.6).
        (StatusCode::NO_CONTENT, _) => Length::Nothing,
        (StatusCode::NOT_MODIFIED, _) => Length::AsSaid,
        // HEAD: what GET would have sent, where that is known.
        (_, Some(size @ 1..)) if to_head && !headers::has(&head.headers, &header::CONTENT_LENGTH) => Length::Of(size),
        _ if to_head => Length::AsSaid,
        (_, Some(size)) => Length::Of(size),
        (_, None) => Length::Nothing,
    }
}

/// Appends an interim response (RFC 9110 section 15.2).
pub(super) fn interim(out: &mut Vec<u8>, status: StatusCode, fields: &HeaderMap) {
    encoder::status(out, status);
    fields.iter().for_each(|(name, value)| encoder::field(out, name, value));
}

/// Appends trailers but those that would decide something (RFC 9110 section 6.5.1); what belongs to HTTP/1
/// connections, which has no place in HTTP/2 (RFC 9113 section 8.2.2), is among them.
pub(super) fn trailers(out: &mut Vec<u8>, fields: &HeaderMap) {
    let fields = fields.iter().filter(|(name, _)| headers::may_trail(name));
    fields.for_each(|(name, value)| encoder::field(out, name, value));
}

/// Appends `date`; written anew at most once in each tick of the worker, which `now` counts.
fn date(out: &mut Vec<u8>, now: u64) {
    thread_local! {
        static FIELD: RefCell<(u64, Vec<u8>)> = const { RefCell::new((u64::MAX, Vec::new())) };
    }
    FIELD.with_borrow_mut(|(at, field)| {
        if *at != now {
            field.clear();
            encoder::plain(field, &header::DATE, clock::now().imf_fixdate().to_string().as_bytes());
            *at = now;
        }
        out.extend_from_slice(field);
    });
}
