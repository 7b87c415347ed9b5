//! Whether the strings of a schema keep clear of a text that stands between them where they are joined.

use std::collections::HashSet;

use regex_automata::{
    Anchored, Input, MatchKind,
    dfa::{Automaton, dense},
    nfa::thompson,
    util::primitives::StateID,
};

use super::schema::{Branch, Schema, Strings, Values};

/// Bytes a compiled expression may take; a larger one proves nothing.
const BYTES_MAX: usize = 1 << 20;

/// Whether every string that `schema` permits can be told from what is joined to it by `separator`: the first place
/// where the joined text holds it is the one behind the string.
///
/// Values that are no strings are never joined.
pub fn is_clear(schema: &Schema, separator: &str) -> bool {
    match &schema.opened().values {
        Values::Branches(branches) => branches.iter().all(|branch| match branch {
            Branch::String(strings) => strings_are_clear(strings, separator),
            _ => true,
        }),
        Values::Any | Values::Ref(_) => false,
    }
}

fn strings_are_clear(strings: &Strings, separator: &str) -> bool {
    if let Some(only) = &strings.only {
        return only.iter().all(|text| format!("{text}{separator}").find(separator) == Some(text.len()));
    }
    if strings.max_length == Some(0) {
        return true;
    }
    // Without its first character there is no separator, nor the beginning of one. Expressions are followed byte by
    // byte.
    let Some(first) = separator.chars().next().filter(char::is_ascii) else { return false };
    let by_format = strings.format.as_deref().and_then(alphabet).is_some_and(|permits| !permits(first));
    by_format || strings.patterns.iter().any(|pattern| excludes(pattern, first as u8))
}

/// The characters that the values of a format consist of (JSON Schema Validation section 7.3); none where they may be
/// any.
fn alphabet(format: &str) -> Option<fn(char) -> bool> {
    Some(match format {
        "date" => |c| c.is_ascii_digit() || c == '-',
        "time" | "date-time" => |c| c.is_ascii_digit() || "-:.+TtZz ".contains(c),
        "duration" => |c| c.is_ascii_digit() || "PYMWDTHS".contains(c),
        "uuid" => |c| c.is_ascii_hexdigit() || c == '-',
        "ipv4" => |c| c.is_ascii_digit() || c == '.',
        "ipv6" => |c| c.is_ascii_hexdigit() || c == ':' || c == '.',
        "hostname" => |c| c.is_ascii_alphanumeric() || c == '-' || c == '.',
        "byte" => |c| c.is_ascii_alphanumeric() || "+/=".contains(c),
        _ => return None,
    })
}

/// Whether no text that `pattern` matches somewhere holds `byte`.
fn excludes(pattern: &str, byte: u8) -> bool {
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .dfa_size_limit(Some(BYTES_MAX))
        .determinize_size_limit(Some(BYTES_MAX));
    let small = thompson::Config::new().nfa_size_limit(Some(BYTES_MAX));
    let Ok(dfa) = dense::Builder::new().configure(config).thompson(small).build(pattern) else { return false };
    let Ok(start) = dfa.start_state_forward(&Input::new("").anchored(Anchored::No)) else { return false };
    // What a text is like so far: the state, whether the byte was met, whether the expression has matched.
    let mut known: HashSet<(StateID, bool, bool)> = HashSet::new();
    let mut open = vec![(start, false, false)];
    while let Some((state, met, matched)) = open.pop() {
        let matched = matched || dfa.is_match_state(state);
        if dfa.is_quit_state(state) || (met && (matched || dfa.is_match_state(dfa.next_eoi_state(state)))) {
            return false;
        }
        if !known.insert((state, met, matched)) || (dfa.is_dead_state(state) && !matched) {
            continue;
        }
        open.extend((0..=u8::MAX).map(|next| (dfa.next_state(state, next), met || next == byte, matched)));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::read::testing::schema;

    #[track_caller]
    fn clear(text: &str, separator: &str, expected: bool) {
        assert_eq!(is_clear(&schema(text), separator), expected, "{text} and {separator:?}");
    }

    #[test]
    fn listed_strings_are_looked_at_one_by_one() {
        clear("{enum: [a, b]}", ":", true);
        clear("{enum: [a, 'b:']}", ":", false);
        clear("{enum: ['a:b']}", "::", true);
        // The joined text is `a:::b`, and would be cut one character too early.
        clear("{enum: ['a:']}", "::", false);
        clear("{enum: [1, null, true]}", ":", true);
    }

    #[test]
    fn an_expression_counts_where_it_holds_for_the_whole_text() {
        clear("{type: string, pattern: '^[a-z0-9-]+$'}", ":", true);
        clear("{type: string, pattern: '^[a-z0-9-]+$'}", "-", false);
        clear("{type: string, pattern: '^[^:]*$'}", ":", true);
        clear("{type: string, pattern: '^[^:]*$'}", ":/", true);
        clear("{type: string, pattern: '^[a-z]+'}", ":", false);
        clear("{type: string, pattern: '[a-z]+$'}", ":", false);
        clear("{type: string, pattern: '^(a|b:c)$'}", ":", false);
        clear("{type: string, pattern: '^\\d{1,5}$'}", ":", true);
        clear("{type: string, pattern: '^(?=a)$'}", ":", false);
        clear("{type: string, pattern: '^[a-z]+$'}", "→", false);
    }

    #[test]
    fn a_format_counts_where_its_characters_are_known() {
        clear("{type: string, format: date}", ":", true);
        clear("{type: string, format: date}", "-", false);
        clear("{type: string, format: date-time}", ":", false);
        clear("{type: string, format: uuid}", ":", true);
        clear("{type: string, format: ipv4}", ":", true);
        clear("{type: string, format: ipv6}", ":", false);
        clear("{type: string, format: hostname}", ":", true);
        clear("{type: string, format: email}", ":", false);
        clear("{type: string}", ":", false);
        clear("{type: string, maxLength: 0}", ":", true);
        clear("{}", ":", false);
        clear("{type: [string, integer], format: date}", ":", true);
    }
}
