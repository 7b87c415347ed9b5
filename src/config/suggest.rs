//! "Did you mean": the nearest known word.

/// Longer texts are no slips of the keyboard, and comparing them would take long.
const WORD_BYTES_MAX: usize = 64;

/// The word of `known` that `text` most probably means, if one is near enough.
///
/// One slip per three letters is forgiven: swapped, missing, added or wrong letters, other case, `-` for `_`.
pub fn nearest<'k>(text: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if text.len() > WORD_BYTES_MAX {
        return None;
    }
    let folded = |word: &str| word.to_ascii_lowercase().replace('-', "_");
    let wanted = folded(text);
    let slips_max = (wanted.chars().count() / 3).clamp(1, 4);
    known
        .map(|word| (strsim::damerau_levenshtein(&wanted, &folded(word)), word))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, word)| word)
}

/// A remedy for an unknown word: the nearest known one, or all of them.
pub fn remedy<'k>(text: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    if let Some(word) = nearest(text, known.clone()) {
        return format!("did you mean `{word}`?");
    }
    let mut words: Vec<&str> = known.collect();
    words.sort_unstable();
    match words.as_slice() {
        [] => "there is none to choose from".to_owned(),
        words if words.len() > 12 => format!("known are {}, …", words[..12].join(", ")),
        words => format!("known are {}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_slips_are_recognised_and_other_words_are_not() {
        let known = ["upstreams", "listen", "timeouts", "on_unknown"];
        for (text, expected) in [
            ("upstream", Some("upstreams")),
            ("lsiten", Some("listen")),
            ("Listen", Some("listen")),
            ("on-unknown", Some("on_unknown")),
            ("timeuot", Some("timeouts")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, known.into_iter()), expected, "{text}");
        }
    }

    #[test]
    fn without_a_near_word_all_are_listed() {
        assert_eq!(remedy("xyz", ["b", "a"].into_iter().filter(|w| w.len() < 2)), "known are a, b");
    }
}
