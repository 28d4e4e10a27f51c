//! Go: a struct per table and purpose, with tags for JSON.

use super::catalogue::{Catalogue, Form, Kind, Named, Relation};
use super::{capitalised, quoted};

/// What a struct of a table is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Select,
    Insert,
    Update,
}

/// The text of the program.
pub(super) fn text(catalogue: &Catalogue) -> String {
    let structs = |form, purposes: &[Purpose]| {
        let relations = catalogue.of_form(form);
        let all = relations.flat_map(|relation| purposes.iter().map(move |purpose| (relation, *purpose)));
        all.map(|(relation, purpose)| of_relation(catalogue, relation, purpose))
            .collect::<Vec<_>>()
            .join("\n\n")
    };
    let composites = catalogue
        .kinds
        .iter()
        .filter(|kind| !kind.attributes.is_empty() && catalogue.has_schema(&kind.named.schema))
        .map(|kind| composite(catalogue, kind));
    let parts = [
        "package database".to_owned(),
        structs(Form::Table, &[Purpose::Select, Purpose::Insert, Purpose::Update]),
        structs(Form::View, &[Purpose::Select]),
        structs(Form::MaterializedView, &[Purpose::Select]),
        composites.collect::<Vec<_>>().join("\n\n"),
    ];
    format!("{}\n", parts.join("\n\n").trim_end())
}

fn of_relation(catalogue: &Catalogue, relation: &Relation, purpose: Purpose) -> String {
    let fields = catalogue.columns_of(relation.id).iter().map(|column| {
        let is_nullable = match purpose {
            Purpose::Select => column.is_nullable,
            Purpose::Insert => {
                column.is_nullable || column.is_identity || column.is_generated || column.has_default
            }
            Purpose::Update => true,
        };
        (column.name.as_str(), kind(catalogue, &column.kind.name, is_nullable))
    });
    let suffix = match purpose {
        Purpose::Select => "Select",
        Purpose::Insert => "Insert",
        Purpose::Update => "Update",
    };
    structure(&relation.schema, &relation.name, suffix, fields.collect())
}

fn composite(catalogue: &Catalogue, composite: &Kind) -> String {
    let fields = composite.attributes.iter().map(|attribute| {
        // Upstream goes by how SQL spells a type, which is often another name than that of columns' types.
        let spelled = catalogue.kind(attribute.kind).map_or("", |kind| kind.format.as_str());
        (attribute.name.as_str(), plain(spelled).unwrap_or_else(|| "interface{}".to_owned()))
    });
    let Named { name, schema } = &composite.named;
    structure(schema, name, "", fields.collect())
}

fn structure(schema: &str, name: &str, suffix: &str, fields: Vec<(&str, String)>) -> String {
    let fields: Vec<_> =
        fields.into_iter().map(|(name, kind)| (capitalised(name), kind, tag(name))).collect();
    let names = fields.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
    let kinds = fields.iter().map(|(_, kind, _)| kind.chars().count()).max().unwrap_or(0);
    let lines: Vec<_> =
        fields.iter().map(|(name, kind, tag)| format!("  {name:names$} {kind:kinds$} {tag}")).collect();
    format!("type {}{}{suffix} struct {{\n{}\n}}", capitalised(schema), capitalised(name), lines.join("\n"))
}

fn tag(name: &str) -> String {
    let tag = format!("json:{}", quoted(name));
    if tag.contains('`') { quoted(&tag) } else { format!("`{tag}`") }
}

fn kind(catalogue: &Catalogue, name: &str, is_nullable: bool) -> String {
    let is_such =
        |is_it: fn(&Kind) -> bool| catalogue.kinds.iter().any(|kind| kind.named.name == name && is_it(kind));
    let plain = if is_such(|kind| !kind.labels.is_empty()) { Some("string".to_owned()) } else { plain(name) };
    if let Some(plain) = plain {
        let has_null = plain.ends_with("{}") || plain.starts_with('[');
        return if is_nullable && !has_null { format!("*{plain}") } else { plain };
    }
    if is_such(|kind| !kind.attributes.is_empty()) {
        return "map[string]interface{}".to_owned();
    }
    match name.strip_prefix('_') {
        Some(item) => format!("[]{} ", kind(catalogue, item, is_nullable)),
        None => "interface{}".to_owned(),
    }
}

/// What is built in.
fn plain(name: &str) -> Option<String> {
    let plain = match name {
        "bool" => "bool",
        "int2" => "int16",
        "int4" => "int32",
        "int8" => "int64",
        "float4" => "float32",
        "float8" | "numeric" => "float64",
        "bytea" => "[]byte",
        "bpchar" | "varchar" | "date" | "text" | "citext" | "time" | "timetz" | "timestamp"
        | "timestamptz" | "interval" | "uuid" | "vector" | "int4range" | "int4multirange" | "int8range"
        | "int8multirange" | "numrange" | "nummultirange" | "tsrange" | "tsmultirange" | "tstzrange"
        | "tstzmultirange" | "daterange" | "datemultirange" => "string",
        "json" | "jsonb" | "void" => "interface{}",
        "record" => "map[string]interface{}",
        _ => return None,
    };
    Some(plain.to_owned())
}
