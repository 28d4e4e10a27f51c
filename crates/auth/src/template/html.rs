//! Where in a page a value lands, and what it must look like there.
//!
//! The page is followed as it is printed, as far as that matters: text, tags, the value of an
//! attribute, scripts and styles. A value can neither end the place it stands in nor turn an address
//! into code; in the query of an address it is percent-encoded, elsewhere in one it is left as the
//! address it is.

/// How far the page has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    place: Place,
    /// The element whose tag is open, in small letters.
    element: String,
    attribute: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    Comment,
    /// The name of an element follows.
    TagName,
    /// Inside of a tag, before or in the name of an attribute.
    Tag,
    /// Behind the equals sign.
    BeforeValue,
    /// In the value of an attribute; the quote that ends it, if any.
    Value(Option<char>, Kind),
    /// Inside of a script or style element, up to its end tag.
    Raw,
}

/// What the value of an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Url(Part),
    Script,
    Style,
}

/// How far an address has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Start,
    Path,
    Query,
}

const URL_ATTRIBUTES: &[&str] = &[
    "href",
    "src",
    "action",
    "formaction",
    "background",
    "cite",
    "poster",
    "data",
    "longdesc",
    "xlink:href",
];

/// What Go prints in the place of a value that would be dangerous.
const REFUSED: &str = "ZgotmplZ";

impl Page {
    /// Follows what the template itself says.
    pub(super) fn read(&mut self, text: &str) {
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            let after = &rest[letter.len_utf8()..];
            match self.place {
                Place::Text => {
                    if rest.starts_with("<!--") {
                        self.place = Place::Comment;
                    } else if letter == '<'
                        && after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
                    {
                        self.place = Place::TagName;
                        self.element.clear();
                    }
                }
                Place::Comment => {
                    if rest.starts_with("-->") {
                        self.place = Place::Text;
                    }
                }
                Place::TagName => match letter {
                    '>' => self.close_tag(),
                    c if c.is_ascii_whitespace() => self.enter_tag(),
                    // `<br/>`: the slash of `</p>` belongs to the name.
                    '/' if !self.element.is_empty() => self.enter_tag(),
                    c => self.element.push(c.to_ascii_lowercase()),
                },
                Place::Tag => match letter {
                    '>' => self.close_tag(),
                    '=' => self.place = Place::BeforeValue,
                    c if c.is_ascii_whitespace() || c == '/' => {
                        // A name that an equals sign may still follow is kept until the next begins.
                        if after.starts_with(|c: char| !c.is_ascii_whitespace() && c != '=') {
                            self.attribute.clear();
                        }
                    }
                    c => self.attribute.push(c.to_ascii_lowercase()),
                },
                Place::BeforeValue => match letter {
                    '>' => self.close_tag(),
                    c if c.is_ascii_whitespace() => {}
                    '"' | '\'' => self.place = Place::Value(Some(letter), self.kind()),
                    _ => {
                        self.place = Place::Value(None, self.kind());
                        self.follow(letter);
                    }
                },
                Place::Value(quote, _) => match (quote, letter) {
                    (Some(quote), c) if c == quote => self.enter_tag(),
                    (None, '>') => self.close_tag(),
                    (None, c) if c.is_ascii_whitespace() => self.enter_tag(),
                    (_, c) => self.follow(c),
                },
                Place::Raw => {
                    let end = rest.strip_prefix("</").and_then(|rest| rest.get(..self.element.len()));
                    if end.is_some_and(|name| name.eq_ignore_ascii_case(&self.element)) {
                        self.place = Place::TagName;
                        self.element.clear();
                    }
                }
            }
            rest = after;
        }
    }

    fn enter_tag(&mut self) {
        self.place = Place::Tag;
        self.attribute.clear();
    }

    fn close_tag(&mut self) {
        self.attribute.clear();
        self.place =
            if matches!(self.element.as_str(), "script" | "style") { Place::Raw } else { Place::Text };
    }

    fn kind(&self) -> Kind {
        let name = self.attribute.as_str();
        if URL_ATTRIBUTES.contains(&name) {
            Kind::Url(Part::Start)
        } else if name.starts_with("on") || name == "srcdoc" {
            Kind::Script
        } else if name == "style" {
            Kind::Style
        } else {
            Kind::Plain
        }
    }

    /// One letter of an attribute's value.
    fn follow(&mut self, letter: char) {
        if let Place::Value(quote, Kind::Url(part)) = self.place {
            let part = match (letter, part) {
                ('?' | '#', _) | (_, Part::Query) => Part::Query,
                (c, Part::Start) if c.is_ascii_whitespace() => Part::Start,
                _ => Part::Path,
            };
            self.place = Place::Value(quote, Kind::Url(part));
        }
    }

    /// A value as it must be written here.
    pub(super) fn place(&mut self, value: &str) -> String {
        match self.place {
            Place::Text => escape(value),
            Place::Comment => escape(value).replace("--", "&#45;&#45;"),
            // A value names neither elements nor attributes.
            Place::TagName | Place::Tag => value.chars().filter(char::is_ascii_alphanumeric).collect(),
            Place::Raw if self.element == "style" => style(value),
            Place::Raw => script(value),
            Place::BeforeValue => {
                self.place = Place::Value(None, self.kind());
                self.place(value)
            }
            Place::Value(quote, kind) => {
                let text = match kind {
                    Kind::Plain => value.to_owned(),
                    Kind::Script => script(value),
                    Kind::Style => style(value),
                    Kind::Url(Part::Query) => url::form_urlencoded::byte_serialize(value.as_bytes())
                        .collect::<String>()
                        .replace('+', "%20"),
                    Kind::Url(Part::Path) => address(value),
                    Kind::Url(Part::Start) if leads_somewhere(value) => address(value),
                    Kind::Url(Part::Start) => format!("#{REFUSED}"),
                };
                value.chars().for_each(|letter| self.follow(letter));
                let text = escape(&text);
                match quote {
                    Some(_) => text,
                    None => unquoted(&text),
                }
            }
        }
    }
}

/// `& < > " '` as entities.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push(char::REPLACEMENT_CHARACTER),
            letter => out.push(letter),
        }
    }
    out
}

/// What would end a value without quotes.
fn unquoted(text: &str) -> String {
    if text.is_empty() {
        return REFUSED.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            c if c.is_ascii_whitespace() || matches!(c, '=' | '`' | '+') => {
                out.push_str(&format!("&#{};", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// True for an address that is not code: relative, or of one of three schemes.
fn leads_somewhere(value: &str) -> bool {
    let value = value.trim_start();
    match value.split_once(':') {
        Some((scheme, _)) if !scheme.contains(['/', '?', '#']) => {
            ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
                || (is_app_scheme(scheme) && !is_code_scheme(scheme))
        }
        _ => true,
    }
}

/// Applications have schemes of their own, to which links of mails may lead: `com.example.app:`.
fn is_app_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-'))
}

fn is_code_scheme(scheme: &str) -> bool {
    [
        "javascript",
        "vbscript",
        "livescript",
        "mocha",
        "data",
        "blob",
        "file",
        "filesystem",
        "about",
        "view-source",
    ]
    .iter()
    .any(|code| scheme.eq_ignore_ascii_case(code))
}

/// An address left as it is, but for what no address holds.
fn address(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!#$&*+,/:;=?@[]%()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A text of a script that ends nothing.
fn script(value: &str) -> String {
    let json = serde_json::Value::from(value).to_string();
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

/// A colour, a length, a name: nothing that could begin another declaration.
fn style(value: &str) -> String {
    let harmless =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '#' | '.' | '%' | '-' | '_' | ' ' | ',');
    if value.chars().all(harmless) { value.to_owned() } else { REFUSED.to_owned() }
}
