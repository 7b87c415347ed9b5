//! Header maps for the next head.
//!
//! A map has two allocations, one of them too large for what the allocator keeps at hand. Each worker
//! keeps the maps of heads that were sent for heads to come.

use std::cell::RefCell;

use http::HeaderMap;

/// Maps kept by one thread. Over HTTP/2 many heads are in use at once, and come and go together.
const KEPT: usize = 128;
/// Maps that have grown beyond this are not kept.
const FIELDS_MAX: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<HeaderMap>> = const { RefCell::new(Vec::new()) };
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
