//! Documents: answers are written, requests are read. A request has no document type, so no entities can
//! be declared, and it is read as a whole, so it has a bound.

use roxmltree::{Document, Node, ParsingOptions};

use super::error::Error;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// Attributes of a document that is read. The reader compares each with all of its element, and hands namespaces down;
/// the longest list of grants has three for each of a hundred.
const MOST_ATTRIBUTES: usize = 1000;
const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

/// An answer that is being written.
pub(crate) struct Writer(String);

impl Writer {
    /// A document of S3's.
    pub(crate) fn document(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self(format!("{PROLOG}<{root} xmlns=\"{NAMESPACE}\">"));
        content(&mut writer);
        writer.close(root);
        writer.0
    }

    /// A document without a namespace: SDKs read errors so.
    pub(crate) fn bare(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self(PROLOG.to_owned());
        writer.group(root, content);
        writer.0
    }

    pub(crate) fn group(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
        content(self);
        self.close(name);
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.group(name, |writer| writer.escaped(value));
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) {
        self.text(name, &value.to_string());
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.text(name, if value { "true" } else { "false" });
    }

    /// Markup that is well formed already.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    pub(crate) fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\r' => self.0.push_str("&#13;"),
                '\t' | '\n' => self.0.push(c),
                // What no document can hold.
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
    }
}

/// Reads the root of a request's document.
///
/// # Errors
///
/// [`Error::MalformedXml`].
pub(crate) fn read<T>(
    body: &[u8],
    root: &str,
    content: impl FnOnce(Node<'_, '_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let text = std::str::from_utf8(body).map_err(|_| Error::MalformedXml)?;
    if attributes(text).is_none_or(|count| count > MOST_ATTRIBUTES) {
        return Err(Error::MalformedXml);
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 200_000, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text.trim_start(), options).map_err(|_| Error::MalformedXml)?;
    let element = document.root_element();
    if element.tag_name().name() != root {
        return Err(Error::MalformedXml);
    }
    content(element)
}

/// How many attributes a document has, namespaces among them; `None` if some markup has no end.
fn attributes(text: &str) -> Option<usize> {
    let mut count = 0;
    let mut rest = text;
    while let Some((_, markup)) = rest.split_once('<') {
        let end = [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>")]
            .into_iter()
            .find_map(|(start, end)| Some((markup.strip_prefix(start)?, end)));
        rest = match end {
            Some((inside, end)) => inside.split_once(end)?.1,
            None => {
                let mut quote = None;
                let end = markup.bytes().position(|byte| {
                    match (quote, byte) {
                        (None, b'"' | b'\'') => quote = Some(byte),
                        (None, b'=') => count += 1,
                        (Some(open), byte) if open == byte => quote = None,
                        _ => {}
                    }
                    quote.is_none() && byte == b'>'
                })?;
                markup.get(end + 1..)?
            }
        };
    }
    Some(count)
}

/// The elements of a name directly below another, whatever their namespace.
pub(crate) fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

/// The text of the only element of a name.
pub(crate) fn text(node: Node<'_, '_>, name: &'static str) -> Option<String> {
    let child = children(node, name).next()?;
    Some(child.children().filter_map(|part| part.text()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let hard = "a<b>&\"c'\r\n\u{1}ä]]>";
        let document = Writer::document("Root", |w| {
            w.group("Item", |w| w.text("Key", hard));
            w.number("Count", 3);
            w.flag("Is", true);
        });
        let (key, count) = read(document.as_bytes(), "Root", |root| {
            let item = children(root, "Item").next().unwrap();
            Ok((text(item, "Key").unwrap(), text(root, "Count").unwrap()))
        })
        .unwrap();
        assert_eq!((key.as_str(), count.as_str()), ("a<b>&\"c'\r\n\u{fffd}ä]]>", "3"));
        assert!(document.contains(NAMESPACE));
        assert!(!Writer::bare("Error", |w| w.text("Code", "x")).contains("xmlns"));
    }

    /// Each is compared with those before it: three hundred thousand of them would take an hour.
    #[test]
    fn attributes_are_counted_before_they_are_read() {
        let check = |text: &str, expected: Option<usize>| assert_eq!(attributes(text), expected, "{text}");
        check("<?xml version=\"1.0\"?><a b='c=\"d>=' xmlns = \"e\"><f/>g=h</a>", Some(2));
        check("<!-- a='<b c=' --><![CDATA[ <a b='c'> ]]><a b='c'/>", Some(1));
        check("<!-- \" > <x \" --><a b=\">\" c=\">\" d=\">\"/>", Some(3));
        for open in ["<a b='>", "<a", "<!-- a", "<?xml", "<![CDATA[<a/>"] {
            check(open, None);
        }
        for prefix in ["a", "xmlns:a"] {
            let many: String = (0..200_000).map(|n| format!(" {prefix}{n}=''")).collect();
            let nested: String = (0..60_000).map(|n| format!("<Delete {prefix}{n}='u'>")).collect();
            for bad in [format!("<Delete{many}/>"), nested + &"</Delete>".repeat(60_000)] {
                assert!(matches!(read(bad.as_bytes(), "Delete", |_| Ok(())), Err(Error::MalformedXml)));
            }
        }
    }

    #[test]
    fn bombs_and_other_documents_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"cc\"><!ENTITY d \"&b;&b;\">]><Delete>&d;</Delete>";
        let outside = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Delete>&x;</Delete>";
        let deep = format!("{}{}", "<Delete>".repeat(250_000), "</Delete>".repeat(250_000));
        let wide = format!("<Delete>{}</Delete>", "<a/>".repeat(300_000));
        for bad in [bomb, outside, "", "<Delete>", "<Other/>", "nonsense", "<Delete/><Delete/>", &deep, &wide]
        {
            let head: String = bad.chars().take(60).collect();
            assert!(matches!(read(bad.as_bytes(), "Delete", |_| Ok(())), Err(Error::MalformedXml)), "{head}");
        }
        assert!(read(&[0xff, 0xfe], "Delete", |_| Ok(())).is_err());
        assert!(
            read(b"<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>", "Delete", |_| Ok(()))
                .is_ok()
        );
    }
}
