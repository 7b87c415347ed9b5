//! Flow control (RFC 9113 section 5.2): how much the client may send, and how much it may be sent.

use super::frame::Reason;

/// Largest window (RFC 9113 section 6.9.1).
pub const WINDOW_MAX: i64 = (1 << 31) - 1;

/// What every window begins with (RFC 9113 section 6.9.2).
pub const INITIAL_WINDOW: i64 = 65_535;

/// What the client may send on a stream or on its connection.
#[derive(Debug)]
pub struct Receiving {
    /// How much may lie unread.
    target: i64,
    /// What the client may send now.
    window: i64,
    /// What it sent and nobody has taken yet.
    held: i64,
}

impl Receiving {
    /// - `target`: most bytes that may lie unread.
    /// - `window`: what the client may send as far as it knows.
    pub fn new(target: u32, window: i64) -> Self {
        Self { target: i64::from(target), window, held: 0 }
    }

    /// The client has sent so much.
    pub fn received(&mut self, bytes: usize) -> Result<(), Reason> {
        let bytes = signed(bytes);
        if bytes > self.window {
            return Err(Reason::FlowControl);
        }
        self.window -= bytes;
        self.held += bytes;
        Ok(())
    }

    /// So much of it was taken.
    pub fn taken(&mut self, bytes: usize) {
        self.held -= signed(bytes);
    }

    /// What was not taken yet.
    pub fn held(&self) -> usize {
        usize::try_from(self.held).unwrap_or(0)
    }

    /// What the client is to be granted now: nothing until it is worth a frame.
    pub fn grant(&mut self) -> Option<u32> {
        let room = self.target - self.held - self.window;
        if room < (self.target / 2).max(1) {
            return None;
        }
        self.window += room;
        u32::try_from(room).ok()
    }
}

/// What the client takes on a stream or on its connection. Below zero where it took back what it had allowed.
#[derive(Clone, Copy, Debug)]
pub struct Sending(i64);

impl Sending {
    /// - `window`: what the client takes from the start.
    pub fn new(window: i64) -> Self {
        Self(window)
    }

    /// How much may be sent now.
    pub fn room(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// So much was sent.
    pub fn sent(&mut self, bytes: usize) {
        self.0 -= signed(bytes);
    }

    /// The client takes so much more, or less.
    pub fn change(&mut self, by: i64) -> Result<(), Reason> {
        self.0 += by;
        if self.0 > WINDOW_MAX { Err(Reason::FlowControl) } else { Ok(()) }
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_granted_what_was_taken_once_it_is_half_the_window() {
        let mut window = Receiving::new(100, 100);
        assert_eq!(window.received(80), Ok(()));
        assert_eq!(window.grant(), None, "nobody has taken anything");
        window.taken(49);
        assert_eq!((window.grant(), window.held()), (None, 31));
        window.taken(1);
        assert_eq!((window.grant(), window.grant()), (Some(50), None));
        assert_eq!(window.received(71), Err(Reason::FlowControl));
        assert_eq!(window.received(70), Ok(()));
    }

    #[test]
    fn a_window_below_the_first_one_is_reached_by_granting_nothing() {
        let mut window = Receiving::new(10, INITIAL_WINDOW);
        assert_eq!(window.received(65_530), Ok(()));
        window.taken(65_530);
        assert_eq!(window.grant(), Some(5));
        let mut tiny = Receiving::new(1, 1);
        assert_eq!(tiny.received(1), Ok(()));
        tiny.taken(1);
        assert_eq!(tiny.grant(), Some(1));
    }

    #[test]
    fn a_client_may_take_back_more_than_it_allowed_but_not_allow_more_than_can_be_said() {
        let mut window = Sending::new(100);
        window.sent(80);
        assert_eq!(window.change(-50), Ok(()));
        assert_eq!(window.room(), 0);
        assert_eq!(window.change(31), Ok(()));
        assert_eq!(window.room(), 1);
        assert_eq!(window.change(WINDOW_MAX - 1), Ok(()));
        assert_eq!(window.change(1), Err(Reason::FlowControl));
    }
}
