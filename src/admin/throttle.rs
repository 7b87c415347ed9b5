//! How often one source may ask, and guess the token.
//!
//! The port is an operator's: few requests a second are plenty, and more of them would be taken from the
//! control thread. Whoever presents wrong tokens is not listened to for a while, the right one included:
//! else the limit would hide from a guesser only what it guessed wrong.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// What every source may do, and what each has done.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    sources: Mutex<HashMap<IpAddr, Source>>,
}

/// Sources that are remembered; the one that was quiet longest is forgotten first.
const SOURCES_MAX: usize = 4096;

#[derive(Clone, Copy, Debug)]
struct Source {
    requests: Bucket,
    failures: Bucket,
    seen: Instant,
}

/// So many in a period: all at once, or spread over it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// How many; at least 1.
    pub(super) count: u32,
    /// In which time.
    pub(super) period: Duration,
}

/// Wait this long, then ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany(pub(super) Duration);

impl Throttle {
    /// Counts a request.
    pub(super) fn request(&self, source: IpAddr, rate: Rate, now: Instant) -> Result<(), TooMany> {
        self.with(source, now, |source| source.requests.take(rate, now))
    }

    /// Whether a token may be compared at all.
    pub(super) fn login(&self, source: IpAddr, rate: Rate, now: Instant) -> Result<(), TooMany> {
        self.with(source, now, |source| source.failures.peek(rate, now))
    }

    /// Counts a wrong token. The right one does away with what came before it.
    pub(super) fn logged_in(&self, source: IpAddr, rate: Rate, right: bool, now: Instant) {
        self.with(source, now, |source| match right {
            true => source.failures = Bucket::full(now),
            // A full bucket cannot be overdrawn: comparing was allowed.
            false => {
                let _ = source.failures.take(rate, now);
            }
        });
    }

    fn with<T>(&self, address: IpAddr, now: Instant, act: impl FnOnce(&mut Source) -> T) -> T {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if sources.len() >= SOURCES_MAX && !sources.contains_key(&address) {
            let quiet = sources.iter().min_by_key(|(_, source)| source.seen).map(|(address, _)| *address);
            quiet.and_then(|address| sources.remove(&address));
        }
        let fresh = || Source { requests: Bucket::full(now), failures: Bucket::full(now), seen: now };
        let source = sources.entry(address).or_insert_with(fresh);
        source.seen = now;
        act(source)
    }
}

/// Whoever has an IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        address => address,
    }
}

/// Places that are used up and come back with time.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// When all places are free again.
    full_at: Instant,
}

impl Bucket {
    fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Whether a place is free.
    fn peek(&self, rate: Rate, now: Instant) -> Result<(), TooMany> {
        let each = rate.period / rate.count;
        let used_up = self.full_at.saturating_duration_since(now) + each;
        match used_up.checked_sub(rate.period) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(TooMany(wait)),
        }
    }

    /// Takes a place, if one is free.
    fn take(&mut self, rate: Rate, now: Instant) -> Result<(), TooMany> {
        self.peek(rate, now)?;
        self.full_at = self.full_at.max(now) + rate.period / rate.count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { count: 5, period: Duration::from_secs(60) };

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn so_many_at_once_and_then_one_by_one() {
        let (throttle, start, me) = (Throttle::default(), Instant::now(), ip("192.0.2.1"));
        let at = |seconds| throttle.request(me, RATE, start + Duration::from_secs(seconds));
        for _ in 0..5 {
            assert_eq!(at(0), Ok(()));
        }
        assert_eq!(at(0), Err(TooMany(Duration::from_secs(12))));
        assert_eq!(at(11), Err(TooMany(Duration::from_secs(1))));
        assert_eq!(at(12), Ok(()));
        assert!(at(13).is_err());
        for _ in 0..5 {
            assert_eq!(at(200), Ok(()));
        }
        assert!(at(200).is_err());
        assert_eq!(throttle.request(ip("192.0.2.2"), RATE, start), Ok(()), "others are not held up");
    }

    #[test]
    fn wrong_tokens_are_counted_and_the_right_one_forgives() {
        let (throttle, now, me) = (Throttle::default(), Instant::now(), ip("192.0.2.1"));
        let wrong = || throttle.logged_in(me, RATE, false, now);
        for _ in 0..4 {
            wrong();
        }
        assert_eq!(throttle.login(me, RATE, now), Ok(()));
        throttle.logged_in(me, RATE, true, now);
        for _ in 0..5 {
            assert_eq!(throttle.login(me, RATE, now), Ok(()));
            wrong();
        }
        assert_eq!(throttle.login(me, RATE, now), Err(TooMany(Duration::from_secs(12))));
        assert_eq!(throttle.login(me, RATE, now + Duration::from_secs(12)), Ok(()));
        assert_eq!(throttle.request(me, RATE, now), Ok(()), "what needs no token is still answered");
    }

    #[test]
    fn addresses_of_one_network_are_one_source_and_sources_are_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let one = Rate { count: 1, period: Duration::from_secs(1) };
        assert!(throttle.request(ip("2001:db8::1"), one, now).is_ok());
        assert!(throttle.request(ip("2001:db8::ffff:0:0:1"), one, now).is_err());
        assert!(throttle.request(ip("2001:db8:0:1::1"), one, now).is_ok());
        assert!(throttle.request(ip("::ffff:192.0.2.1"), one, now).is_ok());
        assert!(throttle.request(ip("192.0.2.1"), one, now).is_err());
        for n in 0..10_000u32 {
            let _ = throttle.request(IpAddr::V4(n.into()), one, now + Duration::from_millis(n.into()));
        }
        assert_eq!(throttle.sources.lock().expect("whole").len(), SOURCES_MAX);
    }
}
