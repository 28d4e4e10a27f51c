//! Python: models of pydantic for rows, typed dictionaries for what is written.

use super::catalogue::{Catalogue, Column, Form, Kind, Named, Relation};
use super::{capitalised, quoted};

const HEAD: &str = "\
from __future__ import annotations

import datetime
import uuid
from typing import (
    Annotated,
    Any,
    List,
    Literal,
    Optional,
    TypedDict,
)
from typing_extensions import NotRequired, TypeAlias

from pydantic import BaseModel, Field, JsonValue";

/// The text of the program.
pub(super) fn text(catalogue: &Catalogue) -> String {
    let enums = catalogue.kinds.iter().filter(|kind| !kind.labels.is_empty()).map(enumeration);
    let tables = catalogue.of_form(Form::Table).flat_map(|table| {
        [
            model(catalogue, table),
            dictionary(catalogue, table, "Insert"),
            dictionary(catalogue, table, "Update"),
        ]
    });
    let views =
        |form| catalogue.of_form(form).map(|view| model(catalogue, view)).collect::<Vec<_>>().join("\n\n");
    let composites = catalogue
        .kinds
        .iter()
        .filter(|kind| !kind.attributes.is_empty() && catalogue.has_schema(&kind.named.schema))
        .map(|kind| composite(catalogue, kind));
    let parts = [
        HEAD.to_owned(),
        enums.collect::<Vec<_>>().join("\n\n"),
        tables.collect::<Vec<_>>().join("\n\n"),
        views(Form::View),
        views(Form::MaterializedView),
        composites.collect::<Vec<_>>().join("\n\n"),
    ];
    format!("{}\n", parts.join("\n\n").trim_end())
}

fn class_name(schema: &str, name: &str) -> String {
    format!("{}{}", capitalised(schema), capitalised(name))
}

fn enumeration(kind: &Kind) -> String {
    let labels: Vec<_> = kind.labels.iter().map(|label| quoted(label)).collect();
    let name = class_name(&kind.named.schema, &kind.named.name);
    format!("{name}: TypeAlias = Literal[{}]", labels.join(", "))
}

fn model(catalogue: &Catalogue, relation: &Relation) -> String {
    let columns = catalogue.columns_of(relation.id).iter();
    let fields =
        columns.map(|column| field(&column.name, &value(catalogue, &column.kind, column.is_nullable)));
    class(&class_name(&relation.schema, &relation.name), "BaseModel", fields)
}

fn composite(catalogue: &Catalogue, kind: &Kind) -> String {
    let fields = kind.attributes.iter().map(|attribute| {
        let known = catalogue.kind(attribute.kind).map(|kind| value(catalogue, &kind.named, true));
        field(&attribute.name, &known.unwrap_or_else(|| "Optional[Any]".to_owned()))
    });
    class(&class_name(&kind.named.schema, &kind.named.name), "BaseModel", fields)
}

fn field(name: &str, value: &str) -> String {
    format!("    {}: {value} = Field(alias={})", variable(name), quoted(name))
}

fn dictionary(catalogue: &Catalogue, table: &Relation, purpose: &str) -> String {
    let entry = |column: &Column| {
        let can_be_left_out =
            purpose == "Update" || column.is_nullable || column.is_identity || column.has_default;
        let value = value(catalogue, &column.kind, column.is_nullable);
        let value = format!("Annotated[{value}, Field(alias={})]", quoted(&column.name));
        let value = if can_be_left_out { format!("NotRequired[{value}]") } else { value };
        format!("    {}: {value}", variable(&column.name))
    };
    let entries = catalogue.columns_of(table.id).iter().map(entry);
    class(&format!("{}{purpose}", class_name(&table.schema, &table.name)), "TypedDict", entries)
}

fn class(name: &str, base: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<_> = lines.collect();
    let body = if lines.is_empty() { "    pass".to_owned() } else { lines.join("\n") };
    format!("class {name}({base}):\n{body}")
}

/// `lineItems-2` becomes `lineitems_2`.
fn variable(name: &str) -> String {
    let mut variable = String::new();
    let mut is_between = false;
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() {
            variable.push(letter.to_ascii_lowercase());
        } else if !is_between {
            variable.push('_');
        }
        is_between = !letter.is_ascii_alphanumeric();
    }
    variable
}

fn value(catalogue: &Catalogue, named: &Named, is_nullable: bool) -> String {
    let kind = kind(catalogue, named);
    if is_nullable { format!("Optional[{kind}]") } else { kind }
}

fn kind(catalogue: &Catalogue, named: &Named) -> String {
    if let Some(item) = named.name.strip_prefix('_') {
        let item = Named { name: item.to_owned(), schema: named.schema.clone() };
        return format!("List[{}]", kind(catalogue, &item));
    }
    let known = catalogue.kinds.iter().find(|kind| kind.named == *named);
    let plain = match named.name.as_str() {
        _ if known.is_some_and(|kind| !kind.labels.is_empty()) => None,
        "bool" => Some("bool"),
        "int2" | "int4" | "int8" => Some("int"),
        "float4" | "float8" | "numeric" => Some("float"),
        "bytea" => Some("bytes"),
        "date" => Some("datetime.date"),
        "time" | "timetz" => Some("datetime.time"),
        "timestamp" | "timestamptz" => Some("datetime.datetime"),
        "uuid" => Some("uuid.UUID"),
        "vector" => Some("list[Any]"),
        "json" | "jsonb" => Some("JsonValue"),
        "bpchar" | "varchar" | "string" | "text" | "citext" | "interval" | "int4range" | "int4multirange"
        | "int8range" | "int8multirange" | "numrange" | "nummultirange" | "tsrange" | "tsmultirange"
        | "tstzrange" | "tstzmultirange" | "daterange" | "datemultirange" => Some("str"),
        "void" => Some("None"),
        "record" => Some("dict[str, Any]"),
        _ => None,
    };
    match (plain, known) {
        (Some(plain), _) => plain.to_owned(),
        (None, Some(kind)) => class_name(&kind.named.schema, &kind.named.name),
        (None, None) => "Any".to_owned(),
    }
}
