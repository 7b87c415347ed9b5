//! Watch, signal and admin call: build the next snapshot and swap it whole.
