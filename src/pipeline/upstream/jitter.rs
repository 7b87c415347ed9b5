//! Pauses that do not fall into step (RELIABILITY risk 17).

use std::time::Duration;

/// `pause`, up to a fifth shorter or longer.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_varies_by_a_fifth_either_way() {
        let pauses: Vec<Duration> = (0..1000).map(|_| jittered(Duration::from_secs(10))).collect();
        let (shortest, longest) = (pauses.iter().min().expect("some"), pauses.iter().max().expect("some"));
        assert!(*shortest >= Duration::from_secs(8) && *longest <= Duration::from_secs(12));
        assert!(*shortest < Duration::from_secs(9) && *longest > Duration::from_secs(11), "they spread");
    }
}
