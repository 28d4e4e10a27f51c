//! Where a link may lead.
//!
//! A target is accepted if it is on the site itself or matches a configured pattern. Our reading
//! of a URL must be the browser's, or a target that looks harmless here goes elsewhere there: a
//! web URL whose host the URL standard reads differently than it is written is refused.

use std::collections::BTreeSet;
use std::net::IpAddr;

use url::Url;

/// The targets an installation allows.
#[derive(Clone, Debug)]
pub(crate) struct Targets {
    site: String,
    allowed: Vec<Glob>,
}

impl Targets {
    /// Patterns that cannot be read are left out; the settings' own check names them.
    pub(crate) fn new(site: &str, patterns: &[String]) -> Self {
        let allowed = patterns.iter().filter_map(|pattern| Glob::parse(pattern).ok()).collect();
        Self { site: site.to_owned(), allowed }
    }

    /// The first of `wishes` that is allowed, else the site.
    pub(crate) fn choose<'a>(&'a self, wishes: impl IntoIterator<Item = &'a str>) -> &'a str {
        wishes.into_iter().find(|wish| self.allows(wish)).unwrap_or(&self.site)
    }

    /// Upstream's rule, in its order.
    pub(crate) fn allows(&self, target: &str) -> bool {
        let (Some(site), Some(parts)) = (Parts::of(&self.site), Parts::of(target)) else { return false };
        let web = matches!(parts.scheme.as_str(), "http" | "https");
        if web && !browsers_agree(target, &parts.host) {
            return false;
        }
        if site.scheme == parts.scheme
            && site.host == parts.host
            && (site.port == parts.port || is_loopback_name(&parts.host))
        {
            return true;
        }
        if !parts.host.is_empty() && parts.host.bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
        if let Ok(address) = parts.host.parse::<IpAddr>() {
            return address.is_loopback();
        }
        if web && !is_plain_host(&parts.host) {
            return false;
        }
        let path = target.split('#').next().unwrap_or(target);
        self.allowed.iter().any(|glob| glob.matches(path))
    }
}

/// So much of a target as a log needs: the caller decides how long it is.
pub(crate) fn shown(target: &str) -> &str {
    const LETTERS: usize = 200;
    target.char_indices().nth(LETTERS).map_or(target, |(end, _)| target.get(..end).unwrap_or(target))
}

/// What identifies the place a URL leads to.
pub(crate) struct Parts {
    pub(crate) scheme: String,
    pub(crate) host: String,
    port: String,
}

impl Parts {
    /// The parts as written, so that nothing is made harmless by being normalised.
    pub(crate) fn of(url: &str) -> Option<Self> {
        if url.chars().any(|c| c.is_control()) {
            return None;
        }
        let (scheme, rest) = url.split_once(':')?;
        let mut letters = scheme.chars();
        if !letters.next()?.is_ascii_alphabetic()
            || !letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        {
            return None;
        }
        let scheme = scheme.to_ascii_lowercase();
        let Some(rest) = rest.strip_prefix("//") else {
            return Some(Self { scheme, host: String::new(), port: String::new() });
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('\\') {
            return None;
        }
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                (host, rest.strip_prefix(':').unwrap_or_default())
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self { scheme, host: host.to_owned(), port: port.to_owned() })
    }

    /// Host and, if it is named, port.
    pub(crate) fn place(&self) -> String {
        if self.port.is_empty() { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

fn browsers_agree(target: &str, host: &str) -> bool {
    let read = Url::parse(target).ok();
    let read = read.as_ref().and_then(Url::host_str).map(|host| host.trim_matches(['[', ']']));
    read.is_some_and(|read| read.eq_ignore_ascii_case(host))
}

fn is_loopback_name(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

fn is_plain_host(host: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    edge(host.chars().next())
        && edge(host.chars().last())
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
}

/// A pattern of URLs: `*` and `?` stop at `.` and `/`, `**` does not, `[a-z]`, `[!a]`, `{a,b}`,
/// and `\` before a character that is meant as such.
#[derive(Clone, Debug)]
pub(crate) struct Glob(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Exactly(char),
    One,
    Run,
    Anything,
    Class { negated: bool, ranges: Vec<(char, char)> },
    Either(Vec<Glob>),
}

/// A pattern that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GlobError {
    #[error("`[` without `]`")]
    OpenClass,
    #[error("`{{` without `}}`")]
    OpenAlternatives,
    #[error("ends in a lone `\\`")]
    LoneEscape,
    #[error("alternatives within alternatives within alternatives")]
    TooDeep,
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

impl Glob {
    pub(crate) fn parse(pattern: &str) -> Result<Self, GlobError> {
        Self::sequence(&mut pattern.chars().peekable(), 0)
    }

    fn sequence(letters: &mut Letters<'_>, depth: usize) -> Result<Self, GlobError> {
        let mut pieces = Vec::new();
        while let Some(&letter) = letters.peek() {
            if depth > 0 && matches!(letter, ',' | '}') {
                break;
            }
            letters.next();
            pieces.push(match letter {
                '?' => Piece::One,
                '*' if letters.next_if_eq(&'*').is_some() => Piece::Anything,
                '*' => Piece::Run,
                '[' => Self::class(letters)?,
                '{' => Self::alternatives(letters, depth + 1)?,
                '\\' => Piece::Exactly(letters.next().ok_or(GlobError::LoneEscape)?),
                letter => Piece::Exactly(letter),
            });
        }
        Ok(Self(pieces))
    }

    fn class(letters: &mut Letters<'_>) -> Result<Piece, GlobError> {
        let negated = letters.next_if(|letter| matches!(letter, '!' | '^')).is_some();
        let mut ranges = Vec::new();
        loop {
            match letters.next().ok_or(GlobError::OpenClass)? {
                ']' if !ranges.is_empty() => return Ok(Piece::Class { negated, ranges }),
                from => {
                    let to = match letters.next_if_eq(&'-') {
                        Some(_) => letters.next().ok_or(GlobError::OpenClass)?,
                        None => from,
                    };
                    ranges.push((from, to));
                }
            }
        }
    }

    fn alternatives(letters: &mut Letters<'_>, depth: usize) -> Result<Piece, GlobError> {
        if depth > 2 {
            return Err(GlobError::TooDeep);
        }
        let mut either = Vec::new();
        loop {
            either.push(Self::sequence(letters, depth)?);
            match letters.next() {
                Some(',') => {}
                Some(_) => return Ok(Piece::Either(either)),
                None => return Err(GlobError::OpenAlternatives),
            }
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let letters: Vec<char> = text.chars().collect();
        self.ends(&letters, BTreeSet::from([0])).contains(&letters.len())
    }

    /// Every place where a match that began at one of `starts` may end: no text makes this slow.
    fn ends(&self, letters: &[char], starts: BTreeSet<usize>) -> BTreeSet<usize> {
        let mut places = starts;
        for piece in &self.0 {
            let one = |fits: &dyn Fn(char) -> bool| {
                let next = |&at: &usize| letters.get(at).filter(|&&letter| fits(letter)).map(|_| at + 1);
                places.iter().filter_map(next).collect()
            };
            let run = |fits: &dyn Fn(char) -> bool| {
                let mut reached = BTreeSet::new();
                for &start in &places {
                    let mut at = start;
                    while reached.insert(at) && letters.get(at).is_some_and(|&letter| fits(letter)) {
                        at += 1;
                    }
                }
                reached
            };
            places = match piece {
                Piece::Exactly(wanted) => one(&|letter| letter == *wanted),
                Piece::One => one(&|letter| !is_separator(letter)),
                Piece::Run => run(&|letter| !is_separator(letter)),
                Piece::Anything => run(&|_| true),
                Piece::Class { negated, ranges } => {
                    one(&|letter| ranges.iter().any(|&(from, to)| (from..=to).contains(&letter)) != *negated)
                }
                Piece::Either(globs) => {
                    globs.iter().flat_map(|glob| glob.ends(letters, places.clone())).collect()
                }
            };
        }
        places
    }
}

fn is_separator(letter: char) -> bool {
    matches!(letter, '.' | '/')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn globs() {
        let check = |pattern: &str, text: &str, expected: bool| {
            let matched = Glob::parse(pattern).map(|glob| glob.matches(text));
            assert_eq!(matched, Ok(expected), "{pattern} {text}");
        };
        check("http://localhost:*", "http://localhost:3000", true);
        check("http://*.test.com", "http://a.test.com", true);
        check("http://*.test.com", "http://a.b.test.com", false);
        check("http://**.test.com", "http://a.b.test.com", true);
        check("http://a.com/*", "http://a.com/x", true);
        check("http://a.com/*", "http://a.com/x/y", false);
        check("http://a.com/**", "http://a.com/x/y?z=1", true);
        check("http://a.com/?", "http://a.com/x", true);
        check("http://a.com/?", "http://a.com/.", false);
        check("http://[a-c].com", "http://b.com", true);
        check("http://[!a-c].com", "http://b.com", false);
        check("http://{a,bc}.com", "http://bc.com", true);
        check("http://{a,bc}.com", "http://b.com", false);
        check("a\\*", "a*", true);
        check("a\\*", "ab", false);
        check(&"*".repeat(30), &"a".repeat(5000), true);
        assert_eq!(Glob::parse("[a").err(), Some(GlobError::OpenClass));
        assert_eq!(Glob::parse("{a").err(), Some(GlobError::OpenAlternatives));
        assert_eq!(Glob::parse("a\\").err(), Some(GlobError::LoneEscape));
        assert_eq!(Glob::parse("{{{a}}}").err(), Some(GlobError::TooDeep));
    }

    #[test]
    fn targets() {
        let patterns = ["https://*.example.com/**", "myapp://**", "http://plain.test"].map(str::to_owned);
        let targets = Targets::new("https://site.test", &patterns);
        let check = |target: &str, expected: bool| assert_eq!(targets.allows(target), expected, "{target}");
        check("https://site.test/anywhere?x=1#y", true);
        check("https://SITE.test", false);
        check("http://site.test/", false);
        check("https://site.test:8443/", false);
        check("https://a.example.com/x/y", true);
        check("https://a.b.example.com/x", false);
        check("http://plain.test#fragment", true);
        check("myapp://callback", true);
        check("otherapp://callback", false);
        check("http://127.0.0.1:9999/x", true);
        check("http://[::1]:9999/x", true);
        check("http://10.0.0.1/x", false);
        check("http://2130706433/", false);
        check("http://0x7f.1/", false);
        check("https://site.test@evil.test/", false);
        check("https://site.test\\@evil.test/", false);
        check("https://evil.test\\.example.com/x", false);
        check("https://evil\u{3002}example.com/x", false);
        check("https://site.test\n.evil.test/", false);
        check("javascript:alert(1)//https://a.example.com/", false);
        check("//site.test/", false);
        check("/relative", false);
        check("", false);
    }

    #[test]
    fn logs_show_the_beginning() {
        assert_eq!(shown("https://evil.test/"), "https://evil.test/");
        assert_eq!(shown(&"\u{e9}".repeat(50_000)), "\u{e9}".repeat(200));
    }

    #[test]
    fn the_port_of_a_loopback_site_is_free() {
        let targets = Targets::new("http://localhost:3000", &[]);
        assert!(targets.allows("http://localhost:5173/x"));
        assert!(!targets.allows("https://localhost:5173/x"));
    }

    #[test]
    fn what_is_not_allowed_leads_to_the_site() {
        let targets = Targets::new("https://site.test", &[]);
        assert_eq!(targets.choose(["https://evil.test", "https://site.test/x"]), "https://site.test/x");
        assert_eq!(targets.choose(["https://evil.test", ""]), "https://site.test");
    }

    /// Patterns of few letters, so that they meet the texts often.
    fn pattern() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("a".to_owned()),
            Just("/".to_owned()),
            Just(".".to_owned()),
            Just("?".to_owned()),
            Just("*".to_owned()),
            Just("**".to_owned()),
            Just("[ab]".to_owned()),
            Just("[!a]".to_owned()),
            Just("{a,b/}".to_owned()),
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    /// The same question, asked the slow way.
    fn fits(pieces: &[Piece], text: &[char]) -> bool {
        let Some((piece, rest)) = pieces.split_first() else { return text.is_empty() };
        let one = |ok: bool| ok && fits(rest, &text[1..]);
        match (piece, text.first()) {
            (Piece::Exactly(letter), Some(first)) => one(letter == first),
            (Piece::One, Some(first)) => one(!is_separator(*first)),
            (Piece::Class { negated, ranges }, Some(first)) => {
                one(ranges.iter().any(|(from, to)| (from..=to).contains(&first)) != *negated)
            }
            (Piece::Exactly(_) | Piece::One | Piece::Class { .. }, None) => false,
            (Piece::Run, first) => {
                fits(rest, text) || first.is_some_and(|c| !is_separator(*c) && fits(pieces, &text[1..]))
            }
            (Piece::Anything, first) => fits(rest, text) || (first.is_some() && fits(pieces, &text[1..])),
            (Piece::Either(globs), _) => (0..=text.len()).any(|end| {
                let (head, tail) = text.split_at(end);
                globs.iter().any(|glob| fits(&glob.0, head)) && fits(rest, tail)
            }),
        }
    }

    proptest! {
        #[test]
        fn globs_match_what_their_pieces_say(pattern in pattern(), text in "[ab./]{0,8}") {
            let glob = Glob::parse(&pattern).unwrap();
            let letters: Vec<char> = text.chars().collect();
            prop_assert_eq!(glob.matches(&text), fits(&glob.0, &letters), "{} {}", pattern, text);
        }

        #[test]
        fn no_pattern_and_no_target_brings_it_down(pattern in "\\PC{0,60}", target in "\\PC{0,60}") {
            let targets = Targets::new("https://site.test", &[pattern]);
            let _ = targets.allows(&target);
        }

        /// Whatever is allowed beside a site without patterns is on the site, for browsers too.
        #[test]
        fn only_the_site_is_on_the_site(
            target in "(https?|javascript|x)?:?/{0,3}[@.:#?\\\\/a-z]{0,8}(site.test)?[@.:#?\\\\/a-z0-9]{0,12}"
        ) {
            let targets = Targets::new("https://site.test", &[]);
            let read = Url::parse(&target);
            if targets.allows(&target) && !read.as_ref().is_ok_and(is_loopback_address) {
                let url = read.unwrap();
                prop_assert_eq!((url.scheme(), url.host_str()), ("https", Some("site.test")));
            }
        }
    }

    fn is_loopback_address(url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}
