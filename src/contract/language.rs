//! Regular expressions as sets of texts: which texts that one matches another one matches, too.
//!
//! Patterns are those of JSON Schema (ECMA-262): they may match anywhere in a text, and `\d` and `\w` are ASCII.

use std::collections::HashSet;

use regex_automata::{
    Anchored, Input, MatchKind,
    dfa::{Automaton, dense},
    nfa::thompson,
    util::primitives::StateID,
};

/// Bytes a compiled expression may take; a larger one proves nothing.
const BYTES_MAX: usize = 1 << 20;
/// Pairs of states that are looked at; more prove nothing.
const PAIRS_MAX: usize = 20_000;

/// Whether every text that `pattern` matches somewhere is one that `other` matches somewhere; false where that cannot
/// be told.
pub fn is_within(pattern: &str, other: &str) -> bool {
    if pattern == other {
        return true;
    }
    let (Some(one), Some(other)) = (machine(pattern), machine(other)) else { return false };
    let (Some(start), Some(other_start)) = (begin(&one), begin(&other)) else { return false };
    // What a text is like so far: the state of each, and whether each has matched.
    let mut known: HashSet<[(StateID, bool); 2]> = HashSet::new();
    let mut open = vec![[(start, false), (other_start, false)]];
    while let Some([(state, matched), (state_b, matched_b)]) = open.pop() {
        if one.is_quit_state(state) || other.is_quit_state(state_b) {
            return false;
        }
        let matched = matched || one.is_match_state(state);
        let matched_b = matched_b || other.is_match_state(state_b);
        let ends = matched || one.is_match_state(one.next_eoi_state(state));
        let ends_b = matched_b || other.is_match_state(other.next_eoi_state(state_b));
        if ends && !ends_b {
            return false;
        }
        // From here on the first one never matches, or the other one always does.
        if (one.is_dead_state(state) && !matched)
            || matched_b
            || !known.insert([(state, matched), (state_b, matched_b)])
        {
            continue;
        }
        if known.len() > PAIRS_MAX {
            return false;
        }
        let next = |byte| [(one.next_state(state, byte), matched), (other.next_state(state_b, byte), matched_b)];
        open.extend((0..=u8::MAX).map(next));
    }
    true
}

fn begin(machine: &dense::DFA<Vec<u32>>) -> Option<StateID> {
    machine.start_state_forward(&Input::new("").anchored(Anchored::No)).ok()
}

/// A pattern that follows a text byte by byte, from its beginning.
fn machine(pattern: &str) -> Option<dense::DFA<Vec<u32>>> {
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .dfa_size_limit(Some(BYTES_MAX))
        .determinize_size_limit(Some(BYTES_MAX));
    let small = thompson::Config::new().nfa_size_limit(Some(BYTES_MAX));
    dense::Builder::new().configure(config).thompson(small).build(&in_ascii(pattern)?).ok()
}

/// The pattern as this library spells it; none where the two languages part.
fn in_ascii(pattern: &str) -> Option<String> {
    let mut spelled = String::with_capacity(pattern.len());
    let mut within = false;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, within) {
            ('\\', _) => match (characters.next()?, within) {
                ('d', false) => spelled.push_str("[0-9]"),
                ('d', true) => spelled.push_str("0-9"),
                ('w', false) => spelled.push_str("[0-9A-Za-z_]"),
                ('w', true) => spelled.push_str("0-9A-Za-z_"),
                // These mean other characters there than here.
                ('D' | 'W' | 's' | 'S' | 'b' | 'B' | 'c' | 'p' | 'P' | 'x' | 'u' | '0'..='9', _) => return None,
                (other, _) => spelled.extend(['\\', other]),
            },
            ('[', true) => spelled.push_str("\\["),
            ('[', false) => {
                within = true;
                spelled.push('[');
                if characters.next_if_eq(&'^').is_some() {
                    spelled.push('^');
                }
                // An empty class is one there, and here the bracket would belong to it.
                if characters.peek() == Some(&']') {
                    return None;
                }
            }
            (']', true) => {
                within = false;
                spelled.push(']');
            }
            ('.', false) => spelled.push_str("[^\\n\\r\u{2028}\u{2029}]"),
            // Without its lower end this is text there, and here a repetition.
            ('{', false) if characters.peek() == Some(&',') => return None,
            // Two of these are an operation on classes here.
            ('&' | '-' | '~', true) if characters.peek() == Some(&character) => return None,
            // Named groups and lookaround are spelled alike or refused, flags are not there.
            (other, _) => spelled.push(other),
        }
    }
    Some(spelled)
}

#[cfg(test)]
mod tests {
    use super::is_within;

    const INTEGER: &str = "^-?(0|[1-9][0-9]*)$";

    #[test]
    fn what_one_pattern_matches_another_one_may_match_too() {
        for pattern in
            [INTEGER, "^[1-9][0-9]*$", "^[0-9]$", r"^[1-9]\d{0,4}$", "^(0|1|22)$", "^-[1-9]$", r"^[1-9][\d]*$"]
        {
            assert!(is_within(pattern, INTEGER), "{pattern}");
        }
        for pattern in
            ["^[0-9]+$", r"^\d+$", "[1-9]", "^[1-9]", "[1-9]$", "", "^-?[0-9]$|x", "^1?$", r"^[1-9]\W$", "^([1-9]"]
        {
            assert!(!is_within(pattern, INTEGER), "{pattern}");
        }
        assert!(is_within("^[a-z]{3}$", "^[a-z]+$"));
        assert!(is_within("^[a-z]{3}$", "[a-z]"));
        assert!(is_within("^a", "a"));
        assert!(!is_within("a", "^a"));
        assert!(!is_within("^[a-z]+$", "^[a-z]{3}$"));
        assert!(!is_within("^[^:]$", "^.$"), "a line end is one of them, and a point matches none");
    }
}
