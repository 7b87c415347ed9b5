//! Which server of an upstream gets the next request.

use std::cell::Cell;

use super::hash::Table;
use crate::domain::upstream::Balance;

/// What the choice looks at.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests under way on this worker.
    pub active: u64,
    /// Share relative to the neighbours, at least 1.
    pub weight: u32,
}

#[derive(Debug)]
enum Rule {
    LeastRequests,
    RoundRobin,
    /// And the most a server carries, in percent of its share.
    Hash(Table, Option<u32>),
}

/// So few requests are carried whatever a server's share is: of few the share says nothing.
const LOAD_MIN: u64 = 8;

/// Chooses servers of one upstream, on one worker.
#[derive(Debug)]
pub struct Balancer {
    rule: Rule,
    /// Whether all servers have the same weight.
    even: bool,
    /// Round robin: requests so far.
    turn: Cell<u32>,
}

impl Balancer {
    /// A balancer that has not chosen yet, for servers of these names and weights.
    pub fn new(balance: &Balance, servers: &[(String, u32)]) -> Self {
        let even = servers.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let rule = match balance {
            Balance::LeastRequests => Rule::LeastRequests,
            Balance::RoundRobin => Rule::RoundRobin,
            Balance::Hash { load_max_percent, .. } => Rule::Hash(Table::new(servers), *load_max_percent),
        };
        // Workers start at different places, so that they do not all begin with the first server.
        Self { rule, even, turn: Cell::new(fastrand::u32(..)) }
    }

    /// The index of the next server among `count`; none where none is usable.
    ///
    /// - `key`: the hash of what the request has in common with others, for consistent hashing.
    /// - `again`: whether the request is tried again, which does not use up a turn: a server that fails would else
    ///   meet every request whose second try took the others' turns.
    pub fn pick(
        &self,
        count: usize,
        key: Option<u64>,
        again: bool,
        usable: impl Fn(usize) -> bool,
        loads: impl Fn(usize) -> Load,
    ) -> Option<usize> {
        if count == 1 {
            return usable(0).then_some(0);
        }
        match (&self.rule, key) {
            (Rule::Hash(table, None), Some(key)) => table.find(key, usable),
            (Rule::Hash(table, Some(percent)), Some(key)) => bounded(table, key, *percent, count, &usable, &loads),
            (Rule::RoundRobin, _) => self.round_robin((0..count).filter(|i| usable(*i)), again, &loads),
            (Rule::LeastRequests | Rule::Hash(..), _) => self.least_requests(count, &usable, &loads),
        }
    }

    /// Two at random by weight; the one with fewer requests for its weight wins.
    fn least_requests(
        &self,
        count: usize,
        usable: &impl Fn(usize) -> bool,
        loads: &impl Fn(usize) -> Load,
    ) -> Option<usize> {
        if let Some((first, second)) = self.two_of_even(count).filter(|(a, b)| usable(*a) && usable(*b)) {
            return Some(less_busy((first, loads(first)), (second, loads(second))));
        }
        let weight = |i: usize| loads(i).weight;
        let first = weighted(weight, (0..count).filter(|i| usable(*i)))?;
        match weighted(weight, (0..count).filter(|i| usable(*i) && *i != first)) {
            None => Some(first),
            Some(second) => Some(less_busy((first, loads(first)), (second, loads(second)))),
        }
    }

    /// Two different servers, each pair as likely as any other; none where weights differ.
    fn two_of_even(&self, count: usize) -> Option<(usize, usize)> {
        if !self.even {
            return None;
        }
        let (first, second) = (fastrand::usize(..count), fastrand::usize(..count - 1));
        Some((first, if second >= first { second + 1 } else { second }))
    }

    /// Each server as often in a row of turns as its weight says.
    fn round_robin(
        &self,
        candidates: impl Iterator<Item = usize> + Clone,
        again: bool,
        loads: &impl Fn(usize) -> Load,
    ) -> Option<usize> {
        let total: u32 = candidates.clone().map(|i| loads(i).weight).sum();
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(u32::from(!again)));
        let mut at = turn % total.max(1);
        for i in candidates {
            match at.checked_sub(loads(i).weight) {
                Some(left) => at = left,
                None => return Some(i),
            }
        }
        None
    }
}

/// The key's server, or the next that does not carry too much of all requests under way (Mirrokni et al., "Consistent
/// Hashing with Bounded Loads").
fn bounded(
    table: &Table,
    key: u64,
    percent: u32,
    count: usize,
    usable: &impl Fn(usize) -> bool,
    loads: &impl Fn(usize) -> Load,
) -> Option<usize> {
    let home = table.find(key, usable)?;
    if loads(home).active < LOAD_MIN {
        return Some(home);
    }
    let sum = |(active, weights), load: Load| (active + load.active, weights + u64::from(load.weight));
    let (active, weights) = (0..count).filter(|i| usable(*i)).map(loads).fold((1, 0), sum);
    let full = |i: usize| {
        let Load { active: own, weight } = loads(i);
        own >= LOAD_MIN && own * 100 * weights >= u64::from(percent) * u64::from(weight) * active
    };
    table.find(key, |i| usable(i) && !full(i)).or(Some(home))
}

/// The one with fewer requests for its weight.
fn less_busy((first, a): (usize, Load), (second, b): (usize, Load)) -> usize {
    if a.active == b.active {
        // Evenly busy: the weights share out the first place.
        return if fastrand::u32(0..(a.weight + b.weight).max(1)) < a.weight { first } else { second };
    }
    // (active + 1) / weight, compared without division.
    let cost = |own: Load, other: Load| (own.active + 1) * u64::from(other.weight);
    if cost(a, b) <= cost(b, a) { first } else { second }
}

/// One of the candidates, as likely as its weight says.
fn weighted(weight: impl Fn(usize) -> u32, candidates: impl Iterator<Item = usize>) -> Option<usize> {
    // Reservoir sampling: one pass, no list.
    let (mut chosen, mut total) = (None, 0u32);
    for i in candidates {
        total += weight(i);
        if fastrand::u32(0..total.max(1)) < weight(i) {
            chosen = Some(i);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::upstream::HashKey;

    fn balancer(balance: Balance, weights: &[u32]) -> Balancer {
        let servers: Vec<_> = (0..).map(|n: u32| n.to_string()).zip(weights.iter().copied()).collect();
        Balancer::new(&balance, &servers)
    }

    fn hash(load_max_percent: Option<u32>) -> Balance {
        Balance::Hash { key: HashKey::ClientAddress, load_max_percent }
    }

    fn even(_: usize) -> Load {
        Load { active: 0, weight: 1 }
    }

    #[test]
    fn the_idle_server_of_two_gets_the_request() {
        let balancer = balancer(Balance::LeastRequests, &[1, 1]);
        for _ in 0..100 {
            let busy_first = |i| Load { active: if i == 0 { 5 } else { 0 }, weight: 1 };
            assert_eq!(balancer.pick(2, None, false, |_| true, busy_first), Some(1));
        }
    }

    #[test]
    fn weights_share_out_round_robin_exactly() {
        let balancer = balancer(Balance::RoundRobin, &[1, 2]);
        let mut hits = [0; 2];
        for _ in 0..300 {
            let loads = |i| Load { active: 0, weight: if i == 0 { 1 } else { 2 } };
            hits[balancer.pick(2, None, false, |_| true, loads).expect("both are usable")] += 1;
        }
        assert_eq!(hits, [100, 200]);
    }

    #[test]
    fn a_key_goes_to_the_same_server_and_a_request_without_one_to_any() {
        let balancer = balancer(hash(None), &[1, 1, 1]);
        let home = balancer.pick(3, Some(7), false, |_| true, even).expect("all are usable");
        assert!((0..50).all(|_| balancer.pick(3, Some(7), false, |_| true, even) == Some(home)));
        assert_ne!(balancer.pick(3, Some(7), false, |i| i != home, even), Some(home));
        let any: std::collections::BTreeSet<_> =
            (0..100).map(|_| balancer.pick(3, None, false, |_| true, even)).collect();
        assert_eq!(any.len(), 3);
    }

    #[test]
    fn a_server_carries_its_share_of_one_key_and_a_quarter_and_the_next_one_the_rest() {
        for (percent, weights, most) in [
            (Some(125), [1, 1, 1, 1], Some(13)),
            (Some(200), [1, 1, 1, 1], Some(20)),
            (Some(125), [3, 3, 3, 3], Some(13)),
            (None, [1, 1, 1, 1], None),
        ] {
            let balancer = balancer(hash(percent), &weights);
            let mut active = [0u64; 4];
            for n in 0..40u64 {
                let loads = |i: usize| Load { active: active[i], weight: weights[i] };
                let picked = balancer.pick(4, Some(7), false, |_| true, loads).expect("all are usable");
                assert!(n >= LOAD_MIN || active[picked] == n, "a few all go to the same");
                active[picked] += 1;
            }
            assert_eq!(active.iter().max(), Some(&most.unwrap_or(40)), "{percent:?} {active:?}");
        }
        // One that is twice as heavy carries twice as much.
        let balancer = balancer(hash(Some(100)), &[2, 1]);
        let loads = |i: usize| Load { active: [20, 10][i], weight: [2, 1][i] };
        let home = |key| balancer.pick(2, Some(key), false, |_| true, |i| Load { active: 0, weight: [2, 1][i] });
        assert!((0..50).all(|key| balancer.pick(2, Some(key), false, |_| true, loads) == home(key)));
        let busy = |i: usize| Load { active: [20, 11][i], weight: [2, 1][i] };
        assert!((0..50).all(|key| balancer.pick(2, Some(key), false, |_| true, busy) == Some(0)));
    }

    #[test]
    fn a_second_try_does_not_use_up_a_turn() {
        let balancer = balancer(Balance::RoundRobin, &[1, 1]);
        let mut first = [0; 2];
        for _ in 0..10 {
            first[balancer.pick(2, None, false, |_| true, even).expect("both are usable")] += 1;
            assert_eq!(balancer.pick(2, None, true, |i| i == 1, even), Some(1));
        }
        assert_eq!(first, [5, 5]);
    }

    #[test]
    fn idle_servers_get_their_share_by_weight() {
        let balancer = balancer(Balance::LeastRequests, &[1, 3]);
        let loads = |i| Load { active: 0, weight: if i == 0 { 1 } else { 3 } };
        let first = (0..4000).filter(|_| balancer.pick(2, None, false, |_| true, loads) == Some(0)).count();
        assert!((800..1200).contains(&first), "{first} of 4000, a quarter was expected");
    }

    #[test]
    fn only_usable_servers_are_picked() {
        for balance in [Balance::LeastRequests, Balance::RoundRobin] {
            for weights in [[1, 1, 1], [1, 2, 1]] {
                let balancer = balancer(balance.clone(), &weights);
                for _ in 0..50 {
                    assert_eq!(balancer.pick(3, None, false, |i| i == 1, even), Some(1));
                    assert_ne!(balancer.pick(3, None, false, |i| i != 1, even), Some(1));
                    assert_eq!(balancer.pick(3, None, false, |_| false, even), None);
                }
                assert_eq!(balancer.pick(1, None, false, |_| false, even), None);
            }
        }
    }

    #[test]
    fn many_even_servers_all_get_requests() {
        let balancer = balancer(Balance::LeastRequests, &[1; 4]);
        let mut hits = [0; 4];
        for _ in 0..1000 {
            hits[balancer.pick(4, None, false, |_| true, even).expect("all are usable")] += 1;
        }
        assert!(hits.iter().all(|n| *n > 100), "{hits:?}");
    }
}
