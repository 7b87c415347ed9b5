//! Which server of an upstream gets the next request.

use std::cell::Cell;

use crate::domain::upstream::Balance;

/// What the choice looks at.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests under way on this worker.
    pub active: u32,
    /// Share relative to the neighbours, at least 1.
    pub weight: u32,
}

/// Chooses servers of one upstream, on one worker.
#[derive(Debug)]
pub struct Balancer {
    balance: Balance,
    /// Round robin: requests so far.
    turn: Cell<u32>,
}

impl Balancer {
    /// A balancer that has not chosen yet.
    pub fn new(balance: Balance) -> Self {
        // Workers start at different places, so that they do not all begin with the first server.
        Self { balance, turn: Cell::new(fastrand::u32(..)) }
    }

    /// The index of the next server.
    ///
    /// - `tried`: bit i is set where server i failed this request already; such are avoided while others are left.
    /// - `loads`: of each server; at least one.
    pub fn pick(&self, count: usize, tried: u64, loads: impl Fn(usize) -> Load) -> usize {
        if count == 1 {
            return 0;
        }
        let free = |i: &usize| i >= &64 || tried & (1 << i) == 0;
        let candidates = || (0..count).filter(free);
        match (self.balance, candidates().count()) {
            (_, 0) => self.weighted(|i| loads(i).weight, 0..count),
            (Balance::RoundRobin, _) => self.round_robin(candidates(), &loads),
            (Balance::LeastRequests, 1) => candidates().next().unwrap_or(0),
            (Balance::LeastRequests, n) => self.least_requests(n, candidates, &loads),
        }
    }

    /// Two at random by weight; the one with fewer requests for its weight wins.
    fn least_requests<C: Iterator<Item = usize>>(
        &self,
        n: usize,
        candidates: impl Fn() -> C,
        loads: &impl Fn(usize) -> Load,
    ) -> usize {
        let (first, second) = if n == 2 {
            let mut both = candidates();
            (both.next().unwrap_or(0), both.next().unwrap_or(0))
        } else {
            let first = self.weighted(|i| loads(i).weight, candidates());
            let second = self.weighted(|i| loads(i).weight, candidates().filter(|i| *i != first));
            (first, second)
        };
        let (a, b) = (loads(first), loads(second));
        if a.active == b.active {
            // Evenly busy: the weights share out the first place.
            return if fastrand::u32(0..(a.weight + b.weight).max(1)) < a.weight { first } else { second };
        }
        // (active + 1) / weight, compared without division.
        let cost = |own: Load, other: Load| u64::from(own.active + 1) * u64::from(other.weight);
        if cost(a, b) <= cost(b, a) { first } else { second }
    }

    /// Each server as often in a row of turns as its weight says.
    fn round_robin(&self, candidates: impl Iterator<Item = usize> + Clone, loads: &impl Fn(usize) -> Load) -> usize {
        let total: u32 = candidates.clone().map(|i| loads(i).weight).sum();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let mut at = turn % total.max(1);
        let mut last = 0;
        for i in candidates {
            last = i;
            match at.checked_sub(loads(i).weight) {
                Some(left) => at = left,
                None => return i,
            }
        }
        last
    }

    fn weighted(&self, weight: impl Fn(usize) -> u32, candidates: impl Iterator<Item = usize>) -> usize {
        // Reservoir sampling: one pass, no list.
        let (mut chosen, mut total) = (0, 0u32);
        for i in candidates {
            total += weight(i);
            if fastrand::u32(0..total.max(1)) < weight(i) {
                chosen = i;
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_idle_server_of_two_gets_the_request() {
        let balancer = Balancer::new(Balance::LeastRequests);
        for _ in 0..100 {
            assert_eq!(balancer.pick(2, 0, |i| Load { active: if i == 0 { 5 } else { 0 }, weight: 1 }), 1);
        }
    }

    #[test]
    fn weights_share_out_round_robin_exactly() {
        let balancer = Balancer::new(Balance::RoundRobin);
        let mut hits = [0; 2];
        for _ in 0..300 {
            hits[balancer.pick(2, 0, |i| Load { active: 0, weight: if i == 0 { 1 } else { 2 } })] += 1;
        }
        assert_eq!(hits, [100, 200]);
    }

    #[test]
    fn a_server_that_failed_is_avoided_while_another_is_left() {
        for balance in [Balance::LeastRequests, Balance::RoundRobin] {
            let balancer = Balancer::new(balance);
            for _ in 0..50 {
                assert_eq!(balancer.pick(3, 0b101, |_| Load { active: 0, weight: 1 }), 1);
                assert!(balancer.pick(3, 0b111, |_| Load { active: 0, weight: 1 }) < 3);
            }
        }
    }

    #[test]
    fn many_even_servers_all_get_requests() {
        let balancer = Balancer::new(Balance::LeastRequests);
        let mut hits = [0; 4];
        for _ in 0..1000 {
            hits[balancer.pick(4, 0, |_| Load { active: 0, weight: 1 })] += 1;
        }
        assert!(hits.iter().all(|n| *n > 100), "{hits:?}");
    }
}
