//! The engine against a plain reference implementation of the change language, by chance.

// Tests may unwrap: a panic is how they speak.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod reference;

use bytes::Bytes;
use reference::{
    compare::{Outcome, compare},
    generate::{self, Dice},
};
use vergate::adaptation::{
    Mode, Program,
    change::Direction,
    op::Edit,
    pointer::{Name, Pointer, Segment},
};

/// Programs that are tried, each on this many bodies; `DIFFERENTIAL_PROGRAMS` tries more of them.
const PROGRAMS: u64 = 2_500;
const BODIES: usize = 4;

#[test]
fn ten_thousand_programs_and_bodies_come_out_as_the_reference_says() {
    let (mut adapted, mut refused) = (0, 0);
    let more = std::env::var("DIFFERENTIAL_PROGRAMS").ok().and_then(|count| count.parse().ok());
    for seed in 0..more.unwrap_or(PROGRAMS) {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut roll = |end: usize| chance.usize(..end);
        let mut dice = Dice(&mut roll);
        let chain = generate::chain(&mut dice);
        for turn in 0..BODIES {
            let body = generate::body(&mut dice, turn == 0);
            match compare(&chain, &body, turn == 1) {
                Outcome::Adapted => adapted += 1,
                Outcome::Refused => refused += 1,
            }
        }
    }
    // Both happen often, or the chances are badly chosen.
    assert!(adapted > 5_000 && refused > 300, "{adapted} adapted, {refused} refused");
}

#[test]
fn what_no_op_names_is_copied_byte_for_byte() {
    for seed in 0..1_000 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut roll = |end: usize| chance.usize(..end);
        let mut dice = Dice(&mut roll);
        let below = |edit: Edit| {
            let at = Pointer::of_names(&[Name::new("w")]).join(&edit.at);
            let guards = edit.guards.into_iter().map(|mut guard| {
                guard.depth += 1;
                guard
            });
            Edit { guards: guards.collect(), at, ..edit }
        };
        let edits: Vec<Edit> = (0..3).map(|_| below(generate::edit(&mut dice))).collect();
        assert!(edits.iter().all(|edit| matches!(edit.at.segments()[0], Segment::Name(_))));
        let (kept, also) = (generate::body(&mut dice, true), generate::body(&mut dice, true));
        let body = format!("{{\"kept\":{kept},\"w\":{},\"also\":{also}}}", generate::body(&mut dice, false));
        let program = Program::fuse([("c", edits.as_slice(), Direction::Up)]).expect("ops");
        let Ok(adapted) = program.apply(&Bytes::from(body.clone()), Mode::Whole) else { continue };
        let text = std::str::from_utf8(&adapted.body).expect("UTF-8");
        assert!(
            text.starts_with(&format!("{{\"kept\":{}", kept.trim())) || text.starts_with(&format!("{{\"kept\":{kept}")),
            "{text} of {body} by {edits:#?}"
        );
        assert!(text.contains(also.trim()), "{text} of {body} by {edits:#?}");
    }
}
