//! The bytes are the dice that make a chain of ops and a body: the engine beside the reference.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/reference/mod.rs"]
mod reference;

use reference::{
    compare::compare,
    generate::{self, Dice},
};

fuzz_target!(|data: &[u8]| {
    let mut left = data.iter();
    // Out of bytes: the first of everything, which ends every list and every nesting.
    let mut roll = |end: usize| usize::from(left.next().copied().unwrap_or(0)) % end;
    let mut dice = Dice(&mut roll);
    let chain = generate::chain(&mut dice);
    let patch = chain.len() % 2 == 0;
    let body = generate::body(&mut dice, true);
    compare(&chain, &body, patch);
});
