//! Type definitions of a schema for client programs, to the letter of `supabase gen types`.
//!
//! ```text
//! load        the only part that asks the database; load/*.sql
//! catalogue   what was found, as values       order      how names are sorted
//! node        Postgres' own print of a query  view       which columns of views come from where, and are never null
//! link        relationships, of views too     routine    which functions can be called, and how
//! typescript  go  python  swift               a catalogue becomes a text
//! ```
//!
//! Everything below `load` is pure. The texts are unformatted, as upstream's: what is committed to a repository does not change
//! with the program that wrote it.

mod catalogue;
mod go;
mod link;
mod load;
mod node;
mod order;
mod python;
mod routine;
mod swift;
mod typescript;
mod view;

use catalogue::Catalogue;
pub(crate) use load::load;
pub(crate) use swift::Access;

/// What types are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// For supabase-js.
    Typescript,
    /// Structs with tags for JSON.
    Go,
    /// Models of pydantic.
    Python,
    /// For supabase-swift.
    Swift,
}

/// The text of a program in `language` that knows the catalogue; `access` is for Swift.
pub(crate) fn text(catalogue: &Catalogue, language: Language, access: Access) -> String {
    match language {
        Language::Typescript => typescript::text(catalogue),
        Language::Go => go::text(catalogue),
        Language::Python => python::text(catalogue),
        Language::Swift => swift::text(catalogue, access),
    }
}

/// `text` in double quotes, as JSON has it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `line_items` becomes `LineItems`.
fn capitalised(name: &str) -> String {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    parts
        .map(|part| {
            let mut letters = part.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
                .collect::<String>()
        })
        .collect()
}
