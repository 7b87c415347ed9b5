//! Heads and header maps for the next message.
//!
//! A map has two allocations, one of them too large for what the allocator keeps at hand. Each worker
//! keeps the maps of heads that were sent, and the heads of requests, for those to come.

use std::cell::RefCell;

use http::{HeaderMap, Method, Request, Uri, Version, request::Parts};

/// Maps, and heads, kept by one thread. Over HTTP/2 many heads are in use at once, and come and go together.
const KEPT: usize = 128;
/// Maps that have grown beyond this are not kept.
const FIELDS_MAX: usize = 64;

#[allow(clippy::vec_box, reason = "it is the boxes that are kept")]
type Heads = Vec<Box<Parts>>;

thread_local! {
    static SPARE: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
    static HEADS: RefCell<Heads> = const { RefCell::new(Vec::new()) };
}

/// An empty map with room for at least `fields`.
pub fn take(fields: usize) -> HeaderMap {
    match SPARE.with_borrow_mut(Vec::pop) {
        Some(map) if map.capacity() >= fields => map,
        _ => HeaderMap::with_capacity(fields),
    }
}

/// Keeps the map of a head that was sent.
pub fn give_back(mut map: HeaderMap) {
    if (1..=FIELDS_MAX).contains(&map.capacity()) {
        map.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < KEPT {
                spare.push(map);
            }
        });
    }
}

/// The head of a request for `GET /` with these fields.
pub fn head(fields: HeaderMap) -> Box<Parts> {
    let mut head = HEADS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Box::new(Request::new(()).into_parts().0));
    head.headers = fields;
    head
}

/// Keeps a head that was sent, and its map.
pub fn give_back_head(mut head: Box<Parts>) {
    give_back(std::mem::take(&mut head.headers));
    // What it was sliced from is let go.
    head.uri = Uri::default();
    (head.method, head.version) = (Method::GET, Version::HTTP_11);
    head.extensions.clear();
    HEADS.with_borrow_mut(|heads| {
        if heads.len() < KEPT {
            heads.push(head);
        }
    });
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;

    #[test]
    fn a_map_comes_back_empty_and_with_room() {
        let mut map = take(20);
        map.append(header::HOST, HeaderValue::from_static("a"));
        map.append(header::HOST, HeaderValue::from_static("b"));
        let room = map.capacity();
        give_back(map);
        let again = take(10);
        assert!(again.is_empty() && again.capacity() == room);
        assert!(take(5).capacity() >= 5);
    }

    #[test]
    fn a_head_comes_back_as_if_nothing_had_been_sent() {
        let mut sent = head(take(4));
        (sent.method, sent.version) = (Method::POST, Version::HTTP_2);
        sent.uri = Uri::from_static("/a?b");
        sent.headers.append(header::HOST, HeaderValue::from_static("a"));
        sent.extensions.insert(1);
        give_back_head(sent);
        let head = head(take(4));
        assert_eq!((&head.method, head.version, head.uri.to_string().as_str()), (&Method::GET, Version::HTTP_11, "/"));
        assert!(head.headers.is_empty() && head.extensions.is_empty());
    }

    #[test]
    fn huge_maps_and_more_than_enough_are_let_go() {
        SPARE.with_borrow_mut(Vec::clear);
        give_back(HeaderMap::with_capacity(10 * FIELDS_MAX));
        assert!(SPARE.with_borrow(Vec::is_empty));
        for _ in 0..2 * KEPT {
            give_back(HeaderMap::with_capacity(10));
        }
        assert_eq!(SPARE.with_borrow(Vec::len), KEPT);
    }
}
