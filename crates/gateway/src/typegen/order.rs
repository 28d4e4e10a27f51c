//! How names are sorted: as people expect of English, which upstream asks ICU for. Punctuation comes before digits, these before
//! letters; case decides only between names that are alike otherwise.
//!
//! What is not ASCII comes after it, by code point.

use std::cmp::Ordering;

/// Punctuation in its order; digits and letters follow.
const PUNCTUATION: &str = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";

/// Compares two names.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let weights = |text: &str| text.chars().map(weight).collect::<Vec<_>>();
    // Small letters first.
    let cases = |text: &str| text.chars().map(|c| c.is_ascii_uppercase()).collect::<Vec<_>>();
    weights(a).cmp(&weights(b)).then_with(|| cases(a).cmp(&cases(b)))
}

fn weight(c: char) -> usize {
    match PUNCTUATION.chars().position(|known| known == c) {
        Some(position) => position + 1,
        None if c.is_ascii_control() => 0,
        None => c.to_ascii_lowercase() as usize + PUNCTUATION.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_expect() {
        let expected = ["", "_a", "a", "A", "a_b", "a-b", "a1", "ab", "aB", "Ab", "b", "é"];
        let mut sorted = expected;
        sorted.reverse();
        sorted.sort_by(|a, b| compare(a, b));
        assert_eq!(sorted, expected);
    }
}
