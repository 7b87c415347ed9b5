//! How alike two member names are.

/// From 0 to 1; 1 for the same words in another spelling (`userId`, `user_id`).
pub(super) fn likeness(a: &str, b: &str) -> f64 {
    let (words_a, words_b) = (words(a), words(b));
    if words_a == words_b {
        return 1.0;
    }
    let (short, long) = if words_a.len() < words_b.len() { (&words_a, &words_b) } else { (&words_b, &words_a) };
    let contained = !short.is_empty() && short.iter().all(|word| long.contains(word));
    let spelled = strsim::normalized_damerau_levenshtein(&words_a.concat(), &words_b.concat());
    let spelled = if abbreviates(&words_a.concat(), &words_b.concat()) { spelled.max(0.7) } else { spelled };
    if contained { spelled.max(0.8) } else { spelled }
}

/// `qty` and `quantity`: the same beginning, and every letter of the shorter in order.
fn abbreviates(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let mut rest = long.chars();
    short.len() >= 2
        && short.chars().next() == long.chars().next()
        && short.chars().all(|letter| rest.any(|other| other == letter))
}

/// Lower-case words of snake, kebab and camel case.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = '_';
    for letter in name.chars() {
        if !letter.is_alphanumeric() {
            before = '_';
            continue;
        }
        if before == '_' || (letter.is_uppercase() && !before.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_same_words_are_alike_and_others_are_not() {
        for (a, b, range) in [
            ("userId", "user_id", 1.0..=1.0),
            ("user-ID", "userID", 1.0..=1.0),
            ("first", "first_name", 0.8..=0.99),
            ("qty", "quantity", 0.7..=0.99),
            ("colour", "color", 0.8..=0.99),
            ("query", "text", 0.0..=0.4),
            ("debug", "total", 0.0..=0.4),
            ("", "a", 0.0..=0.4),
        ] {
            let found = likeness(a, b);
            assert!(range.contains(&found), "{a} {b}: {found}");
        }
    }
}
