//! One spelling for what Postgres spells in two ways.
//!
//! `a in ('b', 'c')` on a `varchar` is shown with the list cast as a whole. Whoever runs that text gets a definition that is shown
//! with each word cast: the same meaning, and another text for ever after. The second spelling stands for both.

/// `(ARRAY['b'::character varying, …])::text[]` as `ARRAY[('b'::character varying)::text, …]`, everywhere in a text.
pub(super) fn settled(text: &str) -> String {
    const START: &str = "(ARRAY['";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(START) {
        let (before, list) = rest.split_at(at);
        out.push_str(before);
        let inside = list.get(START.len() - 1..).unwrap_or_default();
        match words(inside) {
            Some((words, behind)) => {
                let cast: Vec<String> = words.iter().map(|word| format!("({word})::text")).collect();
                out.push_str(&format!("ARRAY[{}]", cast.join(", ")));
                rest = behind;
            }
            None => {
                out.push_str(START);
                rest = list.get(START.len()..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// The words of a list that is cast to text as a whole, and what is behind it.
fn words(list: &str) -> Option<(Vec<&str>, &str)> {
    const END: &str = "])::text[]";
    let mut words = Vec::new();
    let mut rest = list;
    loop {
        let length = quoted(rest)?;
        let cast = rest.get(length..)?.strip_prefix("::")?;
        let end = length + 2 + cast.find([',', ']'])?;
        let (word, behind) = rest.split_at(end);
        if !["character varying", "bpchar"].iter().any(|kind| word.ends_with(kind)) {
            return None;
        }
        words.push(word);
        match behind.strip_prefix(", ") {
            Some(next) => rest = next,
            None => return Some((words, behind.strip_prefix(END)?)),
        }
    }
}

/// The length of the string that a text begins with.
fn quoted(text: &str) -> Option<usize> {
    let mut quotes = text.match_indices('\'').map(|(at, _)| at).peekable();
    quotes.next().filter(|at| *at == 0)?;
    loop {
        let at = quotes.next()?;
        // Two of them are one that is part of the string.
        if quotes.next_if_eq(&(at + 1)).is_none() {
            return Some(at + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_words_are_spelled_in_one_way() {
        let check = |text: &str, expected: &str| assert_eq!(settled(text), expected);
        check(
            "CHECK (((role)::text = ANY ((ARRAY['it''s'::character varying, 'a, b]'::character varying])::text[])))",
            "CHECK (((role)::text = ANY (ARRAY[('it''s'::character varying)::text, ('a, b]'::character varying)::text])))",
        );
        check("(ARRAY['a'::character varying])::text[] x", "ARRAY[('a'::character varying)::text] x");
        for text in [
            "(ARRAY['a'::text, 'b'::text])",
            "(ARRAY['open",
            "(ARRAY['a'::character varying])::uuid[]",
            "é (ARRAY[1])",
        ] {
            check(text, text);
        }
    }
}
