//! The same server for the same key, whatever happens to the others (consistent hashing).
//!
//! A Maglev table (Eisenbud et al., "Maglev", NSDI 2016, section 3.4), filled when the configuration is
//! loaded: looking a key up is one index. A server that may not get requests keeps its places in the
//! table; its keys go to the servers of the places behind, each to another, and come back with it.

use std::net::IpAddr;

use http::{HeaderMap, header};

use crate::domain::upstream::HashKey;

/// Places by hash, each with the index of a server.
#[derive(Debug)]
pub(super) struct Table(Box<[u16]>);

/// Places of a table: a prime, because a server's walk over them has to reach all. The same for any number of
/// servers, because another size would move every key; 600 servers still have a hundred places each.
const SIZE: usize = 65_537;

impl Table {
    /// A table for servers of these names and weights, at most 65,535.
    pub(super) fn new(servers: &[(String, u32)]) -> Self {
        let size = if servers.is_empty() { 0 } else { SIZE };
        let mut walks: Vec<Walk> = servers.iter().map(|(name, _)| Walk::new(name, size)).collect();
        let heaviest = servers.iter().map(|(_, weight)| *weight).max().unwrap_or(1).max(1);
        let mut credit = vec![0u64; servers.len()];
        let mut places = vec![u16::MAX; size];
        let mut left = size;
        while left > 0 {
            for (index, (_, weight)) in servers.iter().enumerate() {
                // In each round the heaviest server takes a place, others as often as their weight says.
                credit[index] += u64::from((*weight).max(1));
                if left == 0 || credit[index] < u64::from(heaviest) {
                    continue;
                }
                credit[index] -= u64::from(heaviest);
                let place = walks[index].next_free(&places);
                places[place] = u16::try_from(index).unwrap_or(u16::MAX);
                left -= 1;
            }
        }
        Self(places.into())
    }

    /// The first usable server at the key's place or behind it.
    pub(super) fn find(&self, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let start = usize::try_from(key % self.0.len().max(1) as u64).unwrap_or(0);
        let (behind, from) = self.0.split_at(start);
        from.iter().chain(behind).map(|index| usize::from(*index)).find(|index| usable(*index))
    }
}

/// The order in which one server would like to have the places.
struct Walk {
    at: usize,
    step: usize,
}

impl Walk {
    fn new(name: &str, size: usize) -> Self {
        let hash = hash(name.as_bytes());
        let part = |bits: u64, modulus: usize| usize::try_from(bits % modulus as u64).unwrap_or(0);
        Self { at: part(hash >> 32, size), step: part(hash & 0xffff_ffff, size - 1) + 1 }
    }

    fn next_free(&mut self, places: &[u16]) -> usize {
        loop {
            let place = self.at;
            self.at = (self.at + self.step) % places.len();
            if places[place] == u16::MAX {
                return place;
            }
        }
    }
}

/// The hash of a request's key; none where it has none.
///
/// - `client`: the client's address, as far as proxies in front are trusted to tell it.
pub(super) fn of_request(by: &HashKey, fields: &HeaderMap, client: IpAddr) -> Option<u64> {
    match by {
        HashKey::Header(name) => fields.get(name.as_str()).map(|value| hash(value.as_bytes())),
        HashKey::Cookie(name) => cookie(fields, name.as_bytes()).map(hash),
        HashKey::ClientAddress => Some(match client {
            IpAddr::V4(address) => hash(&address.octets()),
            IpAddr::V6(address) => hash(&address.octets()),
        }),
    }
}

/// The value of the first cookie of this name (RFC 6265 section 5.4).
fn cookie<'f>(fields: &'f HeaderMap, name: &[u8]) -> Option<&'f [u8]> {
    let lines = fields.get_all(header::COOKIE).iter();
    let mut pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        (pair[..equals].trim_ascii() == name).then(|| pair[equals + 1..].trim_ascii())
    })
}

/// FNV-1a, its bits then mixed (the finaliser of MurmurHash3). The same in every process and release: gateways side
/// by side send a key to the same server.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn servers(count: usize) -> Vec<(String, u32)> {
        (0..count).map(|n| (format!("10.0.0.{n}:80"), 1)).collect()
    }

    fn shares(table: &Table, count: usize) -> Vec<usize> {
        let mut shares = vec![0; count];
        table.0.iter().for_each(|index| shares[usize::from(*index)] += 1);
        shares
    }

    #[test]
    fn places_are_shared_evenly_and_by_weight() {
        for count in [1, 3, 10, 60, 200] {
            let shares = shares(&Table::new(&servers(count)), count);
            let (least, most) = (shares.iter().min().expect("some"), shares.iter().max().expect("some"));
            assert!(most - least <= 1, "{count} servers: {least} to {most}");
        }
        let mut weighted = servers(3);
        weighted[1].1 = 3;
        let shares = shares(&Table::new(&weighted), 3);
        let ratio = shares[1] as f64 / shares[0] as f64;
        assert!((2.9..3.1).contains(&ratio), "{shares:?}");
    }

    #[test]
    fn a_server_that_is_away_moves_its_own_keys_only_and_spreads_them() {
        let table = Table::new(&servers(5));
        let mut moved = [0; 5];
        for key in 0..10_000u64 {
            let key = hash(&key.to_be_bytes());
            let (before, after) = (table.find(key, |_| true), table.find(key, |index| index != 2));
            if before == Some(2) {
                moved[after.expect("others are there")] += 1;
            } else {
                assert_eq!(before, after);
            }
        }
        assert!([0, 1, 3, 4].into_iter().all(|other| moved[other] > 300), "{moved:?}");
        assert_eq!(table.find(7, |_| false), None);
        assert_eq!(Table::new(&[]).find(7, |_| true), None);
    }

    #[test]
    fn a_new_server_takes_little_more_than_its_share() {
        let (before, after) = (Table::new(&servers(10)), Table::new(&servers(11)));
        let keys = 0..10_000u64;
        let moved = keys.filter(|key| {
            let key = hash(&key.to_be_bytes());
            let (old, new) = (before.find(key, |_| true), after.find(key, |_| true));
            old != new && new != Some(10)
        });
        let moved = moved.count();
        assert!(moved < 2_500, "{moved} of 10,000 moved between servers that stayed");
    }

    #[test]
    fn a_key_is_read_from_where_the_file_says() {
        let mut fields = HeaderMap::new();
        fields.insert("x-user", HeaderValue::from_static("me"));
        fields.append("cookie", HeaderValue::from_static("a=1; sid=one"));
        fields.append("cookie", HeaderValue::from_static("sid=two"));
        let client = IpAddr::from([10, 0, 0, 1]);
        let key = |by: HashKey| of_request(&by, &fields, client);
        assert_eq!(key(HashKey::Header("x-user".into())), Some(hash(b"me")));
        assert_eq!(key(HashKey::Header("x-other".into())), None);
        assert_eq!(key(HashKey::Cookie("sid".into())), Some(hash(b"one")));
        assert_eq!(key(HashKey::Cookie("id".into())), None);
        assert_eq!(key(HashKey::ClientAddress), Some(hash(&[10, 0, 0, 1])));
    }

    #[test]
    fn the_hash_is_the_same_for_ever() {
        assert_eq!(hash(b""), 0xefd0_1f60_ba99_2926);
    }
}
