//! A page of HTML as plain text, for readers without HTML and for filters that expect both.

/// Elements that begin a paragraph.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "table",
    "ul",
    "ol",
    "blockquote",
    "section",
    "header",
    "footer",
    "article",
    "main",
    "center",
    "hr",
];
/// Elements that begin a line.
const LINES: &[&str] = &["br", "tr", "li"];
/// Elements whose text is not read.
const SILENT: &[&str] = &["script", "style", "head", "title"];

/// The text of a page; the target of a link follows its words in parentheses.
pub(super) fn of(html: &str) -> String {
    let mut text = Text::default();
    let mut rest = html;
    let mut silent: Option<String> = None;
    let mut link: Option<(String, usize)> = None;
    while let Some((words, tail)) = rest.split_once('<') {
        if silent.is_none() {
            text.words(&decoded(words));
        }
        if let Some(comment) = tail.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let end = tag_end(tail);
        let tag = tail.get(..end).unwrap_or(tail);
        rest = tail.get(end + 1..).unwrap_or_default();
        let name = tag.trim_start_matches('/').split(|c: char| c.is_whitespace() || c == '/').next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let closes = tag.starts_with('/');
        if let Some(element) = &silent {
            if closes && *element == name {
                silent = None;
            }
            continue;
        }
        if SILENT.contains(&name.as_str()) && !closes {
            silent = Some(name);
        } else if BLOCKS.contains(&name.as_str()) {
            text.break_to(2);
        } else if LINES.contains(&name.as_str()) {
            text.break_to(1);
        } else if name == "a" && !closes {
            link = attribute(tag, "href").map(|target| (decoded(&target), text.out.len()));
        } else if name == "a"
            && let Some((target, begun)) = link.take()
        {
            let shown = text.out.get(begun..).unwrap_or_default().trim().to_owned();
            if shown.is_empty() {
                text.words(&target);
            } else if shown != target && !target.starts_with('#') {
                text.words(&format!(" ({target})"));
            }
        }
    }
    if silent.is_none() {
        text.words(&decoded(rest));
    }
    let mut out = text.out.trim().to_owned();
    out.push('\n');
    out
}

/// Where the tag ends: at the first `>` outside of quotes.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '>') => return at,
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            _ => {}
        }
    }
    text.len()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.to_ascii_lowercase().find(&format!("{name}="))?;
    let value = tag.get(at + name.len() + 1..)?;
    match value.chars().next()? {
        quote @ ('"' | '\'') => value.get(1..)?.split(quote).next().map(str::to_owned),
        _ => value.split(char::is_whitespace).next().map(str::to_owned),
    }
}

#[derive(Default)]
struct Text {
    out: String,
    /// Line breaks that are due before the next word.
    breaks: usize,
    spaced: bool,
}

impl Text {
    fn break_to(&mut self, lines: usize) {
        self.breaks = self.breaks.max(lines);
    }

    fn words(&mut self, text: &str) {
        for letter in text.chars() {
            if letter.is_whitespace() {
                self.spaced = true;
                continue;
            }
            if self.breaks > 0 {
                if !self.out.is_empty() {
                    self.out.push_str(if self.breaks > 1 { "\n\n" } else { "\n" });
                }
            } else if self.spaced && !self.out.is_empty() {
                self.out.push(' ');
            }
            (self.breaks, self.spaced) = (0, false);
            self.out.push(letter);
        }
    }
}

/// Entities as letters: those that templates write, and numbers.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let entity = after.split_once(';').filter(|(name, _)| name.len() <= 8);
        match entity.and_then(|(name, rest)| Some((letter(name)?, rest))) {
            Some((letter, tail)) => {
                out.push(letter);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn letter(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        "copy" => Some('©'),
        "mdash" => Some('—'),
        "ndash" => Some('–'),
        "hellip" => Some('…'),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_become_text() {
        let check = |html: &str, expected: &str| assert_eq!(of(html), expected, "{html}");
        check("<h2>Hi  there</h2>\n<p>a<br>b &amp; c&#39;s</p>", "Hi there\n\na\nb & c's\n");
        check("<a href=\"https://x.test/?a=1&amp;b=2\">go</a> now", "go (https://x.test/?a=1&b=2) now\n");
        check("<a href='https://x.test'>https://x.test</a>", "https://x.test\n");
        check("<style>p { a: b }</style><title>t</title><p>x</p><!-- no > way -->", "x\n");
        check("<a title='>' href=\"u\">x</a>", "x (u)\n");
        check("1 < 2", "1\n");
        check("&nope; &#xZZ; &", "&nope; &#xZZ; &\n");
    }

    proptest! {
        #[test]
        fn any_page_is_read(html in "[<>/a-z\"'=&#; !-]{0,80}|\\PC{0,60}") {
            prop_assert!(of(&html).len() <= html.len() * 3 + 8);
        }
    }
}
