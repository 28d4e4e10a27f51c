//! Swift: for each schema an enumeration as a name space, with a structure per table and purpose.
//!
//! As postgres-meta writes it, except where that does not compile: names in quotes are escaped, composite types are called as they are
//! declared, and what has no structure is `AnyJSON`.

use super::catalogue::{Catalogue, Column, Form, Kind, Relation};
use super::order;
use super::quoted;

/// Who may use the types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Access {
    /// The module they are in.
    Internal,
    /// Everybody.
    Public,
}

/// The words a property cannot be called.
const KEYWORDS: [&str; 3] = ["in", "default", "case"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Select,
    Insert,
    Update,
}

/// The text of the program.
pub(super) fn text(catalogue: &Catalogue, access: Access) -> String {
    let writer = Writer {
        catalogue,
        access: match access {
            Access::Internal => "internal",
            Access::Public => "public",
        },
    };
    let mut lines = vec!["import Foundation".to_owned(), "import Supabase".to_owned(), String::new()];
    for schema in &catalogue.schemas {
        lines.extend(writer.schema(schema));
    }
    lines.join("\n") + "\n"
}

/// A property of a structure.
struct Property<'a> {
    raw: &'a str,
    name: String,
    kind: String,
    is_identity: bool,
}

struct Writer<'a> {
    catalogue: &'a Catalogue,
    access: &'static str,
}

impl Writer<'_> {
    fn schema(&self, schema: &str) -> Vec<String> {
        let relations = |forms: [Form; 2]| {
            let mut found: Vec<&Relation> = self
                .catalogue
                .relations
                .iter()
                .filter(|relation| relation.schema == schema && forms.contains(&relation.form))
                .collect();
            found.sort_by(|a, b| order::compare(&a.name, &b.name));
            found
        };
        let kinds = || self.catalogue.kinds.iter().filter(|kind| kind.named.schema == schema);
        let mut lines = vec![format!("{} enum {}Schema {{", self.access, type_name(schema))];
        for kind in kinds().filter(|kind| !kind.labels.is_empty()) {
            let cases = kind.labels.iter().map(|label| (property_name(label), label.as_str()));
            let name = type_name(&kind.named.name);
            lines.extend(self.enumeration(&name, "String, Codable, Hashable, Sendable", cases.collect(), 1));
        }
        for table in relations([Form::Table, Form::ForeignTable]) {
            for purpose in [Purpose::Select, Purpose::Insert, Purpose::Update] {
                lines.extend(self.relation(table, purpose));
            }
        }
        for view in relations([Form::View, Form::MaterializedView]) {
            lines.extend(self.relation(view, Purpose::Select));
        }
        for kind in kinds().filter(|kind| !kind.attributes.is_empty()) {
            lines.extend(self.composite(kind));
        }
        lines.push("}".to_owned());
        lines
    }

    fn relation(&self, relation: &Relation, purpose: Purpose) -> Vec<String> {
        let property = |column: &'_ Column| {
            let is_nullable = match purpose {
                Purpose::Select => column.is_nullable,
                Purpose::Insert => {
                    column.is_nullable || column.is_identity || column.is_generated || column.has_default
                }
                Purpose::Update => true,
            };
            (self.kind(&column.kind.name, is_nullable), property_name(&column.name))
        };
        let properties: Vec<Property<'_>> = self
            .catalogue
            .columns_of(relation.id)
            .iter()
            .map(|column| {
                let (kind, name) = property(column);
                Property { raw: &column.name, name, kind, is_identity: column.is_identity }
            })
            .collect();
        let suffix = match purpose {
            Purpose::Select => "Select",
            Purpose::Insert => "Insert",
            Purpose::Update => "Update",
        };
        self.structure(&format!("{}{suffix}", type_name(&relation.name)), &properties)
    }

    fn composite(&self, kind: &Kind) -> Vec<String> {
        let property = |attribute: &'_ super::catalogue::Attribute| {
            let spelled = self.catalogue.kind(attribute.kind).map_or("", |kind| kind.format.as_str());
            (self.kind(spelled, false), type_name(&attribute.name))
        };
        let properties: Vec<Property<'_>> = kind
            .attributes
            .iter()
            .map(|attribute| {
                let (kind, name) = property(attribute);
                Property { raw: &attribute.name, name, kind, is_identity: false }
            })
            .collect();
        self.structure(&type_name(&kind.named.name), &properties)
    }

    fn structure(&self, name: &str, properties: &[Property<'_>]) -> Vec<String> {
        let access = self.access;
        let identity = properties.iter().find(|property| property.is_identity);
        let also = if identity.is_some() { ", Identifiable" } else { "" };
        let mut lines = vec![format!("  {access} struct {name}: Codable, Hashable, Sendable{also} {{")];
        if let Some(identity) = identity.filter(|identity| identity.name != "id") {
            lines.push(format!("    {access} var id: {} {{ {} }}", identity.kind, identity.name));
        }
        let property =
            |property: &Property<'_>| format!("    {access} let {}: {}", property.name, property.kind);
        lines.extend(properties.iter().map(property));
        if !properties.is_empty() {
            let cases = properties.iter().map(|property| (property.name.clone(), property.raw));
            lines.extend(self.enumeration("CodingKeys", "String, CodingKey", cases.collect(), 2));
        }
        lines.push("  }".to_owned());
        lines
    }

    fn enumeration(&self, name: &str, is: &str, cases: Vec<(String, &str)>, level: usize) -> Vec<String> {
        let indent = "  ".repeat(level);
        let mut lines = vec![format!("{indent}{} enum {name}: {is} {{", self.access)];
        lines.extend(cases.into_iter().map(|(name, raw)| format!("{indent}  case {name} = {}", quoted(raw))));
        lines.push(format!("{indent}}}"));
        lines
    }

    fn kind(&self, name: &str, is_nullable: bool) -> String {
        let mark = if is_nullable { "?" } else { "" };
        let plain = match name {
            "bool" => "Bool",
            "int2" => "Int16",
            "int4" => "Int32",
            "int8" => "Int64",
            "float4" => "Float",
            "float8" => "Double",
            "numeric" | "decimal" => "Decimal",
            "uuid" => "UUID",
            "bytea" | "bpchar" | "varchar" | "date" | "text" | "citext" | "time" | "timetz" | "timestamp"
            | "timestamptz" | "interval" | "vector" => "String",
            "json" | "jsonb" => "AnyJSON",
            "void" => "Void",
            "record" => "JSONObject",
            name => match name.strip_prefix('_') {
                Some(item) => return format!("[{}]{mark}", self.kind(item, false)),
                None => return format!("{}{mark}", self.made(name)),
            },
        };
        format!("{plain}{mark}")
    }

    /// A type that somebody made.
    fn made(&self, name: &str) -> String {
        let mut such = self.catalogue.kinds.iter().filter(|kind| kind.named.name == name);
        match such
            .find(|kind| !kind.labels.is_empty() || !kind.attributes.is_empty() || kind.relation.is_some())
        {
            Some(kind) if kind.labels.is_empty() && kind.attributes.is_empty() => {
                format!("{}Select", type_name(name))
            }
            Some(_) => type_name(name),
            None => "AnyJSON".to_owned(),
        }
    }
}

/// `line_items` becomes `LineItems`; an underscore at the beginning stays.
fn type_name(name: &str) -> String {
    match name.strip_prefix('_') {
        Some(rest) => format!("_{}", super::capitalised(rest)),
        None => super::capitalised(name),
    }
}

/// `line_items` becomes `lineItems`.
fn property_name(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).enumerate();
    let name: String =
        words.map(|(index, word)| if index == 0 { word } else { super::capitalised(&word) }).collect();
    if KEYWORDS.contains(&name.as_str()) { format!("`{name}`") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected) in
            [("pokemon_center", "PokemonCenter"), ("victory-road", "VictoryRoad"), ("_key_id", "_KeyId")]
        {
            assert_eq!(type_name(name), expected);
        }
        for (name, expected) in [("Created_AT", "createdAt"), ("a b-c", "aBC"), ("in", "`in`"), ("_x", "X")] {
            assert_eq!(property_name(name), expected);
        }
    }
}
