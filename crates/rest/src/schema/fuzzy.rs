//! Similar names for error hints, found as PostgREST's fuzzy set finds them.
//!
//! Candidates are ranked by the cosine of their trigrams with the query's (then, if none is near enough, of their bigrams);
//! the fifty best are scored anew by normalised edit distance, and that score decides. Names are compared in lower case.

use std::collections::{HashMap, HashSet};

/// Candidates that are scored by edit distance, which is the costly step.
const SHORTLIST: usize = 50;

/// Queries longer than this have no similar name: identifiers have 63 bytes, lists of parameters a few hundred.
const LONGEST_QUERY: usize = 2000;

/// The candidate most similar to `query` with its score, if that is at least `min_score`; 1.0 means equal but for case.
/// Of equally similar ones the first counts.
pub fn closest<'a>(
    candidates: impl IntoIterator<Item = &'a str>,
    query: &str,
    min_score: f64,
) -> Option<(f64, &'a str)> {
    if query.len() > LONGEST_QUERY {
        return None;
    }
    let key = query.to_lowercase();
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for candidate in candidates {
        let lower = candidate.to_lowercase();
        if lower == key {
            return Some((1.0, candidate));
        }
        if seen.insert(lower.clone()) {
            entries.push((lower, candidate));
        }
    }
    [3, 2].into_iter().find_map(|size| closest_by_grams(&entries, &key, min_score, size))
}

fn closest_by_grams<'a>(
    entries: &[(String, &'a str)],
    key: &str,
    min_score: f64,
    size: usize,
) -> Option<(f64, &'a str)> {
    let wanted = grams(key, size);
    let mut ranked: Vec<(f64, usize)> = entries
        .iter()
        .enumerate()
        .filter_map(|(index, (lower, _))| cosine(&wanted, &grams(lower, size)).map(|score| (score, index)))
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked.truncate(SHORTLIST);
    let mut best: Option<(f64, &str)> = None;
    for (lower, candidate) in ranked.into_iter().filter_map(|(_, index)| entries.get(index)) {
        let score = similarity(key, lower);
        if score >= min_score && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, candidate));
        }
    }
    best
}

/// How often each run of `size` characters occurs, in the letters, digits, spaces and commas of the text between hyphens.
fn grams(text: &str, size: usize) -> HashMap<String, u32> {
    let kept = text.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace() || *c == ',');
    let padded: Vec<char> = std::iter::once('-').chain(kept).chain(std::iter::once('-')).collect();
    let mut counts = HashMap::new();
    for gram in padded.windows(size) {
        *counts.entry(gram.iter().collect()).or_insert(0) += 1;
    }
    counts
}

/// Cosine of two gram vectors; none if they share nothing.
fn cosine(a: &HashMap<String, u32>, b: &HashMap<String, u32>) -> Option<f64> {
    let dot: u32 = a.iter().filter_map(|(gram, count)| b.get(gram).map(|other| count * other)).sum();
    let norm = |grams: &HashMap<String, u32>| f64::from(grams.values().map(|n| n * n).sum::<u32>()).sqrt();
    (dot > 0).then(|| f64::from(dot) / (norm(a) * norm(b)))
}

/// One minus the edit distance in units of the longer text.
fn similarity(a: &str, b: &str) -> f64 {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let longest = a.len().max(b.len());
    if longest == 0 {
        return 1.0;
    }
    // One row of the usual table: `row[j]` is the distance between the part of `a` read so far and `b[..j]`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let substituted = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = substituted.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    let distance = row.last().copied().unwrap_or(longest);
    #[allow(clippy::cast_precision_loss)]
    let score = 1.0 - distance as f64 / longest as f64;
    score
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const STATES: &[&str] = &[
        "Alabama",
        "Alaska",
        "Arizona",
        "Arkansas",
        "California",
        "Colorado",
        "Connecticut",
        "Georgia",
        "Kansas",
        "Maine",
        "Maryland",
        "Nebraska",
        "Northern Marianas Islands",
        "Pennsylvania",
        "Rhode Island",
        "Virgin Islands",
        "Virginia",
        "Wyoming",
    ];

    /// The figures are those of the documentation of the library that PostgREST uses.
    #[test]
    fn scores_are_those_of_the_original() {
        let check = |query: &str, score: f64, name: &str| {
            let (found_score, found) = closest(STATES.iter().copied(), query, 0.33).unwrap();
            assert_eq!(found, name, "{query}");
            assert!((found_score - score).abs() < 1e-9, "{query}: {found_score}");
        };
        check("Burger Islands", 0.714_285_714_285_714_3, "Virgin Islands");
        check("Why-oh-me-ing", 0.538_461_538_461_538_4, "Wyoming");
        check("Connect a cat", 0.692_307_692_307_692_3, "Connecticut");
        check("Transylvania", 0.75, "Pennsylvania");
        check("CanOfSauce", 0.4, "Kansas");
        check("alaska", 1.0, "Alaska");
        check("Alaskanbraskansas", 0.470_588_235_294_117_64, "Arkansas");
    }

    #[test]
    fn nothing_similar_is_nothing() {
        assert_eq!(closest(STATES.iter().copied(), "zzz", 0.33), None);
        assert_eq!(closest(STATES.iter().copied(), "Burger Islands", 0.75), None);
        assert_eq!(closest(STATES.iter().copied(), "", 0.33), None);
        assert_eq!(closest([], "Alaska", 0.33), None);
        assert_eq!(closest(["alaska"], &"alaska".repeat(1000), 0.0), None);
    }

    #[test]
    fn edit_distance_counts_characters() {
        for (a, b, score) in [
            ("", "", 1.0),
            ("abc", "abc", 1.0),
            ("abc", "", 0.0),
            ("kitten", "sitting", 1.0 - 3.0 / 7.0),
            ("ünïx", "unix", 0.5),
        ] {
            assert!((similarity(a, b) - score).abs() < 1e-9, "{a} {b}");
            assert!((similarity(b, a) - score).abs() < 1e-9, "{b} {a}");
        }
    }
}
