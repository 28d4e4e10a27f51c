//! XML that strangers send, read as a tree.
//!
//! [`read`] looks at the text before any parser does: it refuses what is too long, too deep or has too
//! many parts, other encodings than UTF-8, document types (and with them entities), processing
//! instructions, and, unless they are asked for, comments and CDATA. Without those, the text of an
//! element is one piece, and two parsers have little to disagree about.

use roxmltree::{Document, Node, ParsingOptions};

/// Namespaces.
pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
pub(crate) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(crate) const ENCRYPTION: &str = "http://www.w3.org/2001/04/xmlenc#";

/// What a document may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) bytes: usize,
    pub(crate) depth: usize,
    pub(crate) elements: usize,
    /// Per element, declarations of namespaces included.
    pub(crate) attributes: usize,
    /// Whether comments and CDATA are read over; never where a signature is verified.
    pub(crate) comments: bool,
}

/// A message: a response or a part of it.
pub(crate) const MESSAGE: Bounds =
    Bounds { bytes: 256 * 1024, depth: 32, elements: 5_000, attributes: 64, comments: false };

/// What an identity provider publishes of itself.
pub(crate) const DESCRIPTION: Bounds =
    Bounds { bytes: 1024 * 1024, depth: 32, elements: 20_000, attributes: 64, comments: true };

/// Why a document is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("the document is longer than {0} bytes")]
    TooLong(usize),
    #[error("the document has too many {0}")]
    TooMany(&'static str),
    #[error("the document has {0}")]
    Forbidden(&'static str),
    #[error("the document is not well-formed: {0}")]
    Malformed(String),
}

/// Reads a document within its bounds.
pub(crate) fn read(text: &str, bounds: Bounds) -> Result<Document<'_>, XmlError> {
    scan(text, bounds)?;
    let options = ParsingOptions { allow_dtd: false, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| XmlError::Malformed(error.to_string()))
}

fn malformed(text: &str) -> XmlError {
    XmlError::Malformed(text.to_owned())
}

/// One pass over the tags, without looking at names.
fn scan(text: &str, bounds: Bounds) -> Result<(), XmlError> {
    if text.len() > bounds.bytes {
        return Err(XmlError::TooLong(bounds.bytes));
    }
    let (mut rest, mut depth, mut elements) = (after_declaration(text)?, 0_usize, 0_usize);
    while let Some((_, markup)) = rest.split_once('<') {
        rest = if let Some(end) = markup.strip_prefix('/') {
            depth = depth.checked_sub(1).ok_or_else(|| malformed("an end without a beginning"))?;
            end
        } else if let Some(comment) = markup.strip_prefix("!--") {
            skip(comment, "-->", "comments", bounds)?
        } else if let Some(data) = markup.strip_prefix("![CDATA[") {
            skip(data, "]]>", "CDATA sections", bounds)?
        } else if markup.starts_with('!') {
            return Err(XmlError::Forbidden("a document type"));
        } else if markup.starts_with('?') {
            return Err(XmlError::Forbidden("processing instructions"));
        } else {
            let tag = Tag::of(markup)?;
            elements += 1;
            depth += usize::from(!tag.is_empty);
            if depth > bounds.depth {
                return Err(XmlError::TooMany("levels"));
            }
            if elements > bounds.elements {
                return Err(XmlError::TooMany("elements"));
            }
            if tag.attributes > bounds.attributes {
                return Err(XmlError::TooMany("attributes"));
            }
            tag.rest
        };
    }
    Ok(())
}

/// What follows `<?xml … ?>`, which may say that this is UTF-8 and nothing else.
fn after_declaration(text: &str) -> Result<&str, XmlError> {
    let Some(inside) = text.strip_prefix("<?xml").filter(|rest| rest.starts_with([' ', '\t', '\r', '\n']))
    else {
        return Ok(text);
    };
    let (declaration, rest) = inside.split_once("?>").ok_or_else(|| malformed("no end"))?;
    let declaration = declaration.to_ascii_lowercase();
    match declaration.split_once("encoding") {
        Some((_, name)) if !name.contains("\"utf-8\"") && !name.contains("'utf-8'") => {
            Err(XmlError::Forbidden("an encoding other than UTF-8"))
        }
        _ => Ok(rest),
    }
}

fn skip<'a>(text: &'a str, end: &str, what: &'static str, bounds: Bounds) -> Result<&'a str, XmlError> {
    if !bounds.comments {
        return Err(XmlError::Forbidden(what));
    }
    text.split_once(end).map(|(_, rest)| rest).ok_or_else(|| malformed("no end"))
}

/// The beginning of an element.
struct Tag<'a> {
    attributes: usize,
    is_empty: bool,
    rest: &'a str,
}

impl<'a> Tag<'a> {
    /// The tag that `markup` begins with, behind its `<`.
    fn of(markup: &'a str) -> Result<Self, XmlError> {
        let (mut attributes, mut quote, mut last) = (0, None, '<');
        for (at, character) in markup.char_indices() {
            match (quote, character) {
                (_, '<') => return Err(malformed("`<` within a tag")),
                (Some(open), close) if open == close => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => {
                    quote = Some(character);
                    attributes += 1;
                }
                (None, '>') => {
                    let rest = markup.get(at + 1..).unwrap_or_default();
                    return Ok(Self { attributes, is_empty: last == '/', rest });
                }
                (None, _) => {}
            }
            last = character;
        }
        Err(malformed("a tag without an end"))
    }
}

/// True for the element `name` of `namespace`.
pub(crate) fn is(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name && node.tag_name().namespace() == Some(namespace)
}

/// The children `name` of `namespace`.
pub(crate) fn children<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    namespace: &'a str,
    name: &'a str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| is(*child, namespace, name))
}

/// The first child `name` of `namespace`.
pub(crate) fn child<'a, 'i: 'a>(
    node: Node<'a, 'i>,
    namespace: &'a str,
    name: &'a str,
) -> Option<Node<'a, 'i>> {
    children(node, namespace, name).next()
}

/// The text of an element without elements in it; `None` if it has some.
pub(crate) fn text(node: Node<'_, '_>) -> Option<String> {
    node.children().map(|child| if child.is_element() { None } else { child.text() }).collect()
}

/// The text directly in an element, whatever else is in it.
pub(crate) fn own_text(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|child| child.text()).collect()
}

/// Text as it stands in XML, between tags and in attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(text: &str) -> XmlError {
        read(text, MESSAGE).unwrap_err()
    }

    #[test]
    fn plain_documents_are_read() {
        let text = "<?xml version='1.0' encoding='UTF-8'?>\n<a x=\"1>2\" y='/'><b/>t&lt;&#x41;</a>";
        let document = read(text, MESSAGE).unwrap();
        assert_eq!(own_text(document.root_element()), "t<A");
        assert_eq!(super::text(document.root_element()), None);
        let commented = "<a><!-- < -->x<![CDATA[<b>]]></a>";
        assert_eq!(own_text(read(commented, DESCRIPTION).unwrap().root_element()), "x<b>");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let forbidden = |text: &str, what| assert_eq!(refused(text), XmlError::Forbidden(what), "{text}");
        forbidden("<!DOCTYPE a><a/>", "a document type");
        forbidden("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "a document type");
        forbidden("<a>jane@x.test<!-- -->.evil.test</a>", "comments");
        forbidden("<a><![CDATA[x]]></a>", "CDATA sections");
        forbidden("<a><?php x ?></a>", "processing instructions");
        forbidden("<?xml version='1.0' encoding='UTF-16'?><a/>", "an encoding other than UTF-8");
        forbidden("<?xml version='1.0' encoding='utf-7' x='utf8'?><a/>", "an encoding other than UTF-8");
        for text in ["", "x", "<a", "<a b='<'/>", "</a>", "<a></b>", "<a/><b/>", "<a>&x;</a>", "<a b=1/>"] {
            assert!(matches!(refused(text), XmlError::Malformed(_)), "{text}");
        }
    }

    #[test]
    fn documents_are_bounded() {
        assert_eq!(refused(&" ".repeat(MESSAGE.bytes + 1)), XmlError::TooLong(MESSAGE.bytes));
        assert_eq!(refused(&"<a>".repeat(33)), XmlError::TooMany("levels"));
        assert_eq!(refused(&"<a/>".repeat(5_001)), XmlError::TooMany("elements"));
        let attributes: String = (0..65).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(refused(&format!("<a{attributes}/>")), XmlError::TooMany("attributes"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(<|>|/|!|\\?|-|\"|'|=|&|a|x:|\\PC|<!--|<!\\[CDATA\\[|<\\?xml |\\?>){0,80}") {
            let _ = read(&text, MESSAGE);
            let _ = read(&text, DESCRIPTION);
        }

        #[test]
        fn escaped_text_is_read_as_it_was(text in "[^\\p{C}]{0,40}") {
            let xml = format!("<a b=\"{0}\">{0}</a>", escape(&text));
            let document = read(&xml, MESSAGE).unwrap();
            let root = document.root_element();
            prop_assert_eq!(root.attribute("b").unwrap(), text.as_str());
            prop_assert_eq!(own_text(root), text);
        }
    }
}
